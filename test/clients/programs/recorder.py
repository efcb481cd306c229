"""Makes the calls of a client and tells what each gave. Argument: JSON with `url`, `grpc` and `key` of the server."""
import asyncio
import dataclasses
import importlib.metadata
import inspect
import json
import sys

SERVER = json.loads(sys.argv[1])
URL, GRPC, KEY = SERVER["url"], SERVER["grpc"], SERVER["key"]
BEARER = f"Bearer {KEY}"

TEXT = "Happy coding !!!"
TEXTS = ["A cat sleeps.", "A dog barks."]
NER = "Ada Lovelace lived in London."
QUESTION, CONTEXT = "Who wrote it?", "It was Ada who wrote it."
MASK = "the new [MASK] won"
MATCH, LABELS = "A match was won.", ["sports", "politics", "science"]
QUERY, DOCUMENTS = "which animal sleeps", ["A cat sleeps.", "It rains in London.", "Ada wrote a book."]
SOURCE, SENTENCES = "A cat sleeps.", ["A cat naps.", "A dog barks."]
LONG = "cat " * 60 + "dog " * 60
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]


def plain(value):
    """What a client gave, as JSON has it: fields that are None are left out, as the server left them out."""
    if isinstance(value, bytes):
        return value.decode()
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json"))
    if dataclasses.is_dataclass(value):
        return plain(dataclasses.asdict(value))
    return value


class Recorder:
    """What each call gave, by its name."""

    def __init__(self):
        self.calls = {}

    def __call__(self, name, work):
        """Makes a call; an error is what it gave."""
        try:
            given = work()
            if inspect.isawaitable(given):
                raise TypeError(f"{name} gives a promise: record it with wait")
            self.calls[name] = {"value": plain(given)}
        except Exception as error:
            self.calls[name] = {"error": f"{type(error).__name__}: {error}"[:500]}

    async def wait(self, name, work):
        """Makes a call that is awaited."""
        try:
            self.calls[name] = {"value": plain(await asyncio.wait_for(work(), 60))}
        except Exception as error:
            self.calls[name] = {"error": f"{type(error).__name__}: {error}"[:500]}

    def print(self, *packages):
        """Ends the program: what was seen, and of which packages."""
        versions = {name: importlib.metadata.version(name) for name in packages}
        print(json.dumps({"versions": versions, "calls": self.calls}))
