"""langchain-huggingface and llama-index: embeddings and reranking with the server as their service."""
import asyncio

from langchain_huggingface import HuggingFaceEndpointEmbeddings
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference
from llama_index.postprocessor.tei_rerank import TextEmbeddingInference as TeiRerank
from recorder import BEARER, DOCUMENTS, KEY, QUERY, TEXT, TEXTS, URL, Recorder

record = Recorder()
chain = HuggingFaceEndpointEmbeddings(model="any/name", huggingfacehub_api_token=KEY,
                                      model_kwargs={"model": f"{URL}/tei/embeddings"})
record("HuggingFaceEndpointEmbeddings.embed_query", lambda: chain.embed_query(TEXT))
record("HuggingFaceEndpointEmbeddings.embed_documents", lambda: chain.embed_documents(TEXTS))

index = TextEmbeddingsInference(model_name="embeddings", base_url=f"{URL}/tei/embeddings", auth_token=KEY)
record("TextEmbeddingsInference.get_query_embedding", lambda: index.get_query_embedding(TEXT))
record("TextEmbeddingsInference.get_text_embedding_batch", lambda: index.get_text_embedding_batch(TEXTS))

rerank = TeiRerank(base_url=f"{URL}/tei/ranking", auth_token=BEARER, top_n=2)


def reranked():
    nodes = [NodeWithScore(node=TextNode(text=text, id_=str(at)), score=0.0) for at, text in enumerate(DOCUMENTS)]
    found = rerank.postprocess_nodes(nodes, query_bundle=QueryBundle(QUERY))
    return [{"index": int(one.node.node_id), "score": float(one.score)} for one in found]


record("TextEmbeddingInference.postprocess_nodes", reranked)


async def main():
    await record.wait("HuggingFaceEndpointEmbeddings.aembed_query", lambda: chain.aembed_query(TEXT))
    await record.wait("HuggingFaceEndpointEmbeddings.aembed_documents", lambda: chain.aembed_documents(TEXTS))
    await record.wait("TextEmbeddingsInference.aget_query_embedding", lambda: index.aget_query_embedding(TEXT))
    await record.wait("TextEmbeddingsInference.aget_text_embedding_batch", lambda: index.aget_text_embedding_batch(TEXTS))


asyncio.run(main())
record.print("langchain-huggingface", "llama-index-embeddings-text-embeddings-inference", "llama-index-postprocessor-tei-rerank")
