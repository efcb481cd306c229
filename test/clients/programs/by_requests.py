"""requests: Text Embeddings Inference as its README shows it, and reranking as Cohere and Jina document it."""
import base64
import struct

import requests
from recorder import BEARER, DOCUMENTS, LONG, QUERY, SENTENCES, SOURCE, TEXT, TEXTS, URL, Recorder

HEADERS = {"Authorization": BEARER, "Content-Type": "application/json"}
record = Recorder()


def post(path, body):
    answer = requests.post(f"{URL}{path}", json=body, headers=HEADERS, timeout=60)
    answer.raise_for_status()
    return answer.json()


def get(path):
    answer = requests.get(f"{URL}{path}", headers=HEADERS, timeout=60)
    answer.raise_for_status()
    return answer.json() if answer.content else answer.status_code


TEI = "/tei/embeddings"
def floats(vectors):
    return [list(struct.unpack(f"<{len(base64.b64decode(one)) // 4}f", base64.b64decode(one))) for one in vectors]


record("POST /models/MODEL(encoding_format base64)", lambda: floats(
    post("/models/embeddings", {"inputs": TEXTS, "parameters": {"encoding_format": "base64"}})))
record("TEI /embed", lambda: post(f"{TEI}/embed", {"inputs": TEXT}))
record("TEI /embed(list)", lambda: post(f"{TEI}/embed", {"inputs": TEXTS}))
record("TEI /embed(truncate)", lambda: post(f"{TEI}/embed", {"inputs": LONG, "truncate": True}))
record("TEI /embed_all", lambda: post(f"{TEI}/embed_all", {"inputs": TEXT}))
record("TEI /embed_sparse", lambda: post("/tei/sparse/embed_sparse", {"inputs": TEXT}))
record("TEI /similarity", lambda: post(f"{TEI}/similarity", {"inputs": {"source_sentence": SOURCE, "sentences": SENTENCES}}))
record("TEI /rerank", lambda: post("/tei/ranking/rerank", {"query": QUERY, "texts": DOCUMENTS}))
record("TEI /rerank(raw_scores)", lambda: post("/tei/ranking/rerank", {"query": QUERY, "texts": DOCUMENTS, "raw_scores": True}))
record("TEI /predict", lambda: post("/tei/sentiment/predict", {"inputs": TEXT}))
record("TEI /predict(batch of pairs)", lambda: post("/tei/sentiment/predict", {"inputs": [[TEXT], [TEXT, "bad"]]}))
record("TEI /tokenize, /decode", lambda: post(f"{TEI}/decode", {
    "ids": [token["id"] for token in post(f"{TEI}/tokenize", {"inputs": "a cat sleeps"})[0]]}))
record("TEI /v1/embeddings", lambda: [one["embedding"] for one in post("/v1/embeddings", {"model": "embeddings", "input": TEXTS})["data"]])
record("TEI /info", lambda: get(f"{TEI}/info")["served_model_name"])
record("TEI /health", lambda: get(f"{TEI}/health"))


def results(path, **more):
    body = {"model": "ranking", "query": QUERY, "documents": DOCUMENTS, **more}
    return [{"index": one["index"], "relevance_score": one["relevance_score"]} for one in post(path, body)["results"]]


record("Cohere POST /v2/rerank", lambda: results("/v2/rerank"))
record("Cohere POST /v2/rerank(max_tokens_per_doc, priority)", lambda: results("/v2/rerank", max_tokens_per_doc=4096, priority=0))
record("Cohere POST /v1/rerank(rank_fields, objects)", lambda: results(
    "/v1/rerank", documents=[{"text": text} for text in DOCUMENTS], rank_fields=["text"], return_documents=True))
record("Jina POST /v1/rerank", lambda: results("/v1/rerank", top_n=2, return_documents=False))
record.print("requests")
