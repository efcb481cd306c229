import { afterAll, beforeAll, expect, test } from 'vitest';
import { DOCUMENTS, QA, QUERY, ranked, TEXT, TEXTS } from '../calls.js';
import { startClientServer, type ClientServer } from '../client-server.js';
import { runProgram, type Call } from '../clients-python.js';
import { compareWithPage } from '../table.js';

let server: ClientServer;
beforeAll(async () => {
  server = await startClientServer();
}, 120_000);
afterAll(() => server.close());

const states = (client: string, asks: string): Call[] =>
  ['is_server_live', 'is_server_ready', 'is_model_ready'].map((name): Call => [`${client}.${name}`, asks, true]);

async function kserveCalls({ plain }: ClientServer): Promise<readonly Call[]> {
  const tasks: readonly (readonly [string, unknown])[] = [
    ['content_type', await plain('sentiment', [TEXT])],
    ['text-classification', await plain('sentiment', [TEXT])],
    ['text-classification(top_k)', await plain('sentiment', [TEXT], { top_k: 2 })],
    ['question-answering', [await plain('qa', QA)]],
    ['text-ranking', await plain('ranking', { query: QUERY, texts: DOCUMENTS })],
    ['tensors', [0, 2]],
  ];
  const [rest, grpc] = ['InferenceRESTClient', 'InferenceGRPCClient'];
  return [
    ...tasks.map(([task, expected]): Call => [`${rest}.infer: ${task}`, '`/v2/…`', expected]),
    [`${rest}.infer: binary tensors`, '`/v2/…`', [0, 2]],
    [`${rest}.infer(dict)`, '`/v2/…`', await plain('sentiment', [TEXT])],
    ...states(rest, '`/v2/…`'),
    ...tasks.map(([task, expected]): Call => [`${grpc}.infer: ${task}`, 'gRPC', expected]),
    ...states(grpc, 'gRPC'),
  ];
}

async function mlserverCalls({ plain }: ClientServer): Promise<readonly Call[]> {
  const label = await plain('sentiment', [TEXT]);
  const calls: readonly (readonly [string, unknown])[] = [
    ['StringCodec.encode_input, decode_output', label],
    ['StringCodec.encode_input of any name', await plain('embeddings', TEXTS)],
    ['StringRequestCodec.encode_request', label],
    ['StringRequestCodec.decode_response', label],
    ['NumpyCodec.encode_input, decode_output', [0, 2]],
    ['NumpyRequestCodec.encode_request', [0, 2]],
    ['PandasCodec.encode_request of texts', [await plain('qa', QA)]],
    ['PandasCodec.decode_response', [0, 2]],
    ['find_input_codec(content_type).decode_output', [[0, 2], label]],
  ];
  return calls.map(([name, expected]): Call => [name, '`/v2/models/MODEL/infer`', expected]);
}

async function frameworkCalls(asked: ClientServer): Promise<readonly Call[]> {
  const one = await asked.plain('embeddings', TEXT);
  const many = await asked.plain('embeddings', TEXTS);
  const best = (await ranked(asked, 'score')).slice(0, 2);
  const calls: readonly (readonly [string, string, unknown])[] = [
    ['HuggingFaceEndpointEmbeddings.embed_query', '/tei/MODEL', one],
    ['HuggingFaceEndpointEmbeddings.embed_documents', '/tei/MODEL', many],
    ['HuggingFaceEndpointEmbeddings.aembed_query', '/tei/MODEL', one],
    ['HuggingFaceEndpointEmbeddings.aembed_documents', '/tei/MODEL', many],
    ['TextEmbeddingsInference.get_query_embedding', '/tei/MODEL/embed', one],
    ['TextEmbeddingsInference.get_text_embedding_batch', '/tei/MODEL/embed', many],
    ['TextEmbeddingsInference.aget_query_embedding', '/tei/MODEL/embed', one],
    ['TextEmbeddingsInference.aget_text_embedding_batch', '/tei/MODEL/embed', many],
    ['TextEmbeddingInference.postprocess_nodes', '/tei/MODEL/rerank', best],
  ];
  return calls.map(([name, path, expected]): Call => [name, `\`${path}\``, expected]);
}

const PROGRAMS = [
  ['kserve', 'kserve', 'kserve_client.py', kserveCalls],
  ['mlserver', 'mlserver', 'mlserver_codecs.py', mlserverCalls],
  ['langchain and llama-index', 'frameworks', 'frameworks.py', frameworkCalls],
] as const;

test.each(PROGRAMS)('%s gets what it asks for', { timeout: 240_000 }, async (client, environment, program, callsOf) => {
  const calls = await callsOf(server);
  const { table, committed, failing } = compareWithPage(client, await runProgram(environment, program, server), calls);
  expect(table).toBe(committed);
  expect(failing).toEqual([]);
});
