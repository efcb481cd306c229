"""tritonclient: every task over HTTP and gRPC, awaited and not, with a key in a plugin."""
import asyncio
import json

import numpy
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from recorder import (BEARER, CONTEXT, DOCUMENTS, GRPC, LABELS, MASK, MATCH, NER, QUERY, QUESTION, ROWS, SENTENCES, SOURCE,
                      TEXT, TEXTS, URL, Recorder)
from tritonclient.http import InferenceServerClientPlugin


class Bearer(InferenceServerClientPlugin):
    def __call__(self, request):
        request.headers["authorization"] = BEARER


HTTP = URL.removeprefix("http://")
TASKS = [
    ("text-classification", "sentiment", {"text": [TEXT]}, {}),
    ("text-classification of a pair", "sentiment", {"text": [TEXT], "text_pair": ["bad"]}, {"top_k": 2}),
    ("token-classification", "ner", {"text": [NER]}, {"aggregation_strategy": "simple"}),
    ("question-answering", "qa", {"question": [QUESTION], "context": [CONTEXT]}, {}),
    ("fill-mask", "fill-mask", {"text": [MASK]}, {"top_k": 2}),
    ("zero-shot-classification", "zero-shot", {"text": [MATCH]}, {"candidate_labels": ",".join(LABELS)}),
    ("sentence-embeddings", "embeddings", {"text": TEXTS}, {}),
    ("sentence-similarity", "embeddings", {"source_sentence": [SOURCE], "sentences": SENTENCES}, {}),
    ("feature-extraction", "features", {"text": [TEXT]}, {}),
    ("text-ranking", "ranking", {"query": [QUERY], "texts": DOCUMENTS}, {}),
]


def texts_of(library, inputs):
    tensors = []
    for name, texts in inputs.items():
        tensor = library.InferInput(name, [len(texts)], "BYTES")
        tensor.set_data_from_numpy(numpy.array([text.encode() for text in texts], dtype=object))
        tensors.append(tensor)
    return tensors


def rows_of(library):
    tensor = library.InferInput("X", [len(ROWS), 4], "FP32")
    tensor.set_data_from_numpy(numpy.array(ROWS, dtype=numpy.float32))
    return [tensor]


def answers(result):
    return [json.loads(one) for one in result.as_numpy("output")]


record = Recorder()


def calls(kind, library, client, many):
    """Each call with its name, and what is read of its answer."""
    name = f"tritonclient.{kind}"
    # The clients of gRPC take no parameters for tasks under another name than those of HTTP do.
    for task, model, inputs, parameters in TASKS:
        given = dict(model_name=model, inputs=texts_of(library, inputs), parameters=parameters or None)
        yield f"{name} infer: {task}", lambda given=given: client.infer(**given), answers
    yield f"{name} infer: tensors", lambda: client.infer("iris", rows_of(library)), lambda got: got.as_numpy("label")
    yield f"{name} is_server_live, is_server_ready", lambda: many(client.is_server_live(), client.is_server_ready()), list
    yield f"{name} load_model, is_model_ready", lambda: many(client.load_model("iris"), client.is_model_ready("iris")), \
        lambda got: got[1]
    yield f"{name} get_model_metadata", lambda: client.get_model_metadata("iris"), \
        lambda got: [one["name"] if isinstance(one, dict) else one.name for one in (got["inputs"] if isinstance(got, dict) else got.inputs)]
    yield f"{name} get_model_repository_index", client.get_model_repository_index, \
        lambda got: sorted({one["name"] if isinstance(one, dict) else one.name for one in (got if isinstance(got, list) else got.models)})


def waited(kind, library, client):
    client.register_plugin(Bearer())
    for name, work, read in calls(kind, library, client, lambda *all: all):
        record(name, lambda: read(work()))
    client.close()


async def both(*all):
    return [await one for one in all]


async def awaited(kind, library, client):
    client.register_plugin(Bearer())
    for name, work, read in calls(kind, library, client, both):
        async def read_it():
            return read(await work())
        await record.wait(name, read_it)
    await client.close()


waited("http", tritonclient.http, tritonclient.http.InferenceServerClient(HTTP))
waited("grpc", tritonclient.grpc, tritonclient.grpc.InferenceServerClient(GRPC))


async def main():
    await awaited("http.aio", tritonclient.http.aio, tritonclient.http.aio.InferenceServerClient(HTTP))
    await awaited("grpc.aio", tritonclient.grpc.aio, tritonclient.grpc.aio.InferenceServerClient(GRPC))


asyncio.run(main())
record.print("tritonclient")
