"""openai and cohere: embeddings, models and reranking."""
import asyncio
import base64

import cohere
import numpy
import openai
from recorder import DOCUMENTS, KEY, QUERY, TEXT, TEXTS, URL, Recorder

record = Recorder()
client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)


def vectors(answer):
    # Who asks for base64 gets it as it is; the client asks for it by itself, and then reads it.
    return [numpy.frombuffer(base64.b64decode(one.embedding), dtype="<f4") if isinstance(one.embedding, str)
            else one.embedding for one in answer.data]


CALLS = [
    ("embeddings.create(text)", {"input": TEXT}),
    ("embeddings.create(texts)", {"input": TEXTS}),
    ("embeddings.create(ids of tokens)", {"input": [2, 5, 6, 3]}),
    ("embeddings.create(lists of ids)", {"input": [[2, 5, 6, 3], [2, 7, 3]]}),
    ("embeddings.create(dimensions)", {"input": TEXT, "dimensions": 8}),
    ("embeddings.create(encoding_format float)", {"input": TEXT, "encoding_format": "float"}),
    ("embeddings.create(encoding_format base64)", {"input": TEXT, "encoding_format": "base64"}),
]
for name, options in CALLS:
    record(f"OpenAI.{name}", lambda: vectors(client.embeddings.create(model="embeddings", **options)))
record("OpenAI.models.list", lambda: sorted(one.id for one in client.models.list()))
record("OpenAI.models.retrieve", lambda: client.models.retrieve("embeddings").id)


def ranked(answer):
    return [{"index": one.index, "relevance_score": one.relevance_score} for one in answer.results]


asked = {"model": "ranking", "query": QUERY, "documents": DOCUMENTS}
v1 = cohere.Client(api_key=KEY, base_url=URL)
v2 = cohere.ClientV2(api_key=KEY, base_url=URL)
record("cohere.Client.rerank", lambda: ranked(v1.rerank(**asked)))
record("cohere.ClientV2.rerank", lambda: ranked(v2.rerank(**asked)))
record("cohere.ClientV2.rerank(top_n)", lambda: ranked(v2.rerank(**asked, top_n=1)))


async def main():
    waiting = openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
    for name, options in CALLS:
        async def embed():
            return vectors(await waiting.embeddings.create(model="embeddings", **options))
        await record.wait(f"AsyncOpenAI.{name}", embed)

    async def rerank():
        return ranked(await cohere.AsyncClientV2(api_key=KEY, base_url=URL).rerank(**asked))
    await record.wait("cohere.AsyncClientV2.rerank", rerank)


asyncio.run(main())
record.print("openai", "cohere")
