import {
  DOCUMENTS,
  LABELS,
  LONG,
  MASK,
  MATCH,
  NER,
  QA,
  QUERY,
  ranked,
  SIMILAR,
  TEXT,
  TEXTS,
  zeroShot,
} from './calls.js';
import { MODEL_NAMES, type ClientServer } from './client-server.js';
import type { Call } from './clients-python.js';

const CUT = { truncate: true, truncation_direction: 'left' };

const at = (model: string) => `\`/models/${model}\``;

/** What huggingface_hub has to get. */
export async function hubCalls(server: ClientServer): Promise<readonly Call[]> {
  const { plain } = server;
  const qaOptions = {
    align_to_words: false,
    doc_stride: 2,
    handle_impossible_answer: true,
    max_answer_len: 3,
    max_question_len: 32,
    max_seq_len: 48,
    top_k: 2,
  };
  const methods: readonly Call[] = [
    ['feature_extraction', at('embeddings'), await plain('embeddings', TEXT)],
    ['feature_extraction(list)', at('embeddings'), await plain('embeddings', TEXTS)],
    [
      'feature_extraction(normalize, dimensions)',
      at('embeddings'),
      await plain('embeddings', TEXT, { normalize: false, dimensions: 8 }),
    ],
    ['feature_extraction(truncate, truncation_direction)', at('embeddings'), await plain('embeddings', LONG, CUT)],
    ['feature_extraction(prompt_name)', at('embeddings'), await plain('embeddings', TEXT, { prompt_name: 'query' })],
    ['feature_extraction(encoding_format float)', at('embeddings'), await plain('embeddings', TEXT)],
    ['feature_extraction of tokens', at('features'), await plain('features', TEXT)],
    ['feature_extraction of tokens(truncate)', at('features'), await plain('features', LONG, CUT)],
    ['fill_mask', at('fill-mask'), await plain('fill-mask', MASK)],
    [
      'fill_mask(top_k, targets)',
      at('fill-mask'),
      await plain('fill-mask', MASK, { top_k: 2, targets: ['cat', 'film', 'it'] }),
    ],
    ['question_answering', at('qa'), await plain('qa', QA)],
    ['question_answering(all its options)', at('qa'), await plain('qa', QA, qaOptions)],
    ['sentence_similarity', at('embeddings'), await plain('embeddings', SIMILAR)],
    ['text_classification', at('sentiment'), await plain('sentiment', TEXT)],
    [
      'text_classification(top_k, function_to_apply)',
      at('sentiment'),
      await plain('sentiment', TEXT, { top_k: 2, function_to_apply: 'none' }),
    ],
    ['token_classification', at('ner'), await plain('ner', NER, { aggregation_strategy: 'simple' })],
    [
      'token_classification(aggregation_strategy, ignore_labels, stride)',
      at('ner'),
      await plain('ner', NER, { aggregation_strategy: 'first', ignore_labels: ['PER'], stride: 4 }),
    ],
    ['zero_shot_classification', at('zero-shot'), await zeroShot(server, {})],
    [
      'zero_shot_classification(multi_label, hypothesis_template)',
      at('zero-shot'),
      await zeroShot(server, { multi_label: true, hypothesis_template: 'It is about {}.' }),
    ],
  ];
  const tei = '`/tei/embeddings`';
  const about: readonly Call[] = [
    ['get_endpoint_info', tei, 'embeddings:1'],
    ['health_check', tei, true],
  ];
  return [
    ...methods,
    ['feature_extraction of an endpoint', tei, [await plain('embeddings', TEXT)]],
    ...about,
    ...[...methods, ...about].map(([name, asks, expected]): Call => [`async ${name}`, asks, expected]),
  ];
}

/** What tritonclient has to get, over each of its four clients. */
export async function tritonCalls({ plain }: ClientServer): Promise<readonly Call[]> {
  const tasks: readonly (readonly [task: string, expected: unknown])[] = [
    ['text-classification', await plain('sentiment', [TEXT])],
    ['text-classification of a pair', await plain('sentiment', [{ text: TEXT, text_pair: 'bad' }], { top_k: 2 })],
    ['token-classification', await plain('ner', [NER], { aggregation_strategy: 'simple' })],
    ['question-answering', [await plain('qa', QA)]],
    ['fill-mask', await plain('fill-mask', [MASK], { top_k: 2 })],
    ['zero-shot-classification', await plain('zero-shot', [MATCH], { candidate_labels: LABELS })],
    ['sentence-embeddings', await plain('embeddings', TEXTS)],
    ['sentence-similarity', await plain('embeddings', SIMILAR)],
    ['feature-extraction', await plain('features', [TEXT])],
    ['text-ranking', await plain('ranking', { query: QUERY, texts: DOCUMENTS })],
  ];
  return ['http', 'grpc', 'http.aio', 'grpc.aio'].flatMap((kind): Call[] => {
    const asks = kind.startsWith('http') ? '`/v2/…`' : 'gRPC';
    return [
      ...tasks.map(([task, expected]): Call => [`tritonclient.${kind} infer: ${task}`, asks, expected]),
      [`tritonclient.${kind} infer: tensors`, asks, [0, 2]],
      [`tritonclient.${kind} is_server_live, is_server_ready`, asks, [true, true]],
      [`tritonclient.${kind} load_model, is_model_ready`, asks, true],
      [`tritonclient.${kind} get_model_metadata`, asks, ['X']],
      [`tritonclient.${kind} get_model_repository_index`, asks, MODEL_NAMES],
    ];
  });
}

/** What the Python packages openai and cohere have to get. */
export async function openAiCalls(server: ClientServer): Promise<readonly Call[]> {
  const { plain } = server;
  const asks = '`/v1/embeddings`';
  const one = [await plain('embeddings', TEXT)];
  const embeddings: readonly Call[] = [
    ['embeddings.create(text)', asks, one],
    ['embeddings.create(texts)', asks, await plain('embeddings', TEXTS)],
    ['embeddings.create(ids of tokens)', asks, [await plain('embeddings', [2, 5, 6, 3])]],
    [
      'embeddings.create(lists of ids)',
      asks,
      await plain('embeddings', [
        [2, 5, 6, 3],
        [2, 7, 3],
      ]),
    ],
    ['embeddings.create(dimensions)', asks, [await plain('embeddings', TEXT, { dimensions: 8 })]],
    ['embeddings.create(encoding_format float)', asks, one],
    ['embeddings.create(encoding_format base64)', asks, one],
  ];
  const best = await ranked(server, 'relevance_score');
  return [
    ...embeddings.map(([name, path, expected]): Call => [`OpenAI.${name}`, path, expected]),
    ['OpenAI.models.list', '`/v1/models`', MODEL_NAMES],
    ['OpenAI.models.retrieve', '`/v1/models/MODEL`', 'embeddings'],
    ...embeddings.map(([name, path, expected]): Call => [`AsyncOpenAI.${name}`, path, expected]),
    ['cohere.Client.rerank', '`/v1/rerank`', best],
    ['cohere.ClientV2.rerank', '`/v2/rerank`', best],
    ['cohere.ClientV2.rerank(top_n)', '`/v2/rerank`', best.slice(0, 1)],
    ['cohere.AsyncClientV2.rerank', '`/v2/rerank`', best],
  ];
}

/** What programs that write their requests themselves have to get. */
export async function requestsCalls(server: ClientServer): Promise<readonly Call[]> {
  const { plain } = server;
  const one = await plain('embeddings', TEXT);
  const [tokens] = (await plain('features', TEXT)) as unknown[];
  const raw = await plain('ranking', { query: QUERY, texts: DOCUMENTS }, { raw_scores: true });
  const labels = { top_k: null };
  const best = await ranked(server, 'relevance_score');
  const calls: readonly (readonly [string, string, unknown])[] = [
    ['POST /models/MODEL(encoding_format base64)', '/models/MODEL', await plain('embeddings', TEXTS)],
    ['TEI /embed', '/tei/MODEL/embed', [one]],
    ['TEI /embed(list)', '/tei/MODEL/embed', await plain('embeddings', TEXTS)],
    ['TEI /embed(truncate)', '/tei/MODEL/embed', [await plain('embeddings', LONG)]],
    ['TEI /embed_all', '/tei/MODEL/embed_all', [tokens]],
    ['TEI /embed_sparse', '/tei/MODEL/embed_sparse', await plain('sparse', [TEXT])],
    ['TEI /similarity', '/tei/MODEL/similarity', await plain('embeddings', SIMILAR)],
    ['TEI /rerank', '/tei/MODEL/rerank', await ranked(server, 'score')],
    ['TEI /rerank(raw_scores)', '/tei/MODEL/rerank', raw],
    ['TEI /predict', '/tei/MODEL/predict', await plain('sentiment', TEXT, labels)],
    ['TEI /predict(batch of pairs)', '/tei/MODEL/predict', await plain('sentiment', [[TEXT], [TEXT, 'bad']], labels)],
    ['TEI /tokenize, /decode', '/tei/MODEL/tokenize', ['a cat sleeps']],
    ['TEI /v1/embeddings', '/v1/embeddings', await plain('embeddings', TEXTS)],
    ['TEI /info', '/tei/MODEL/info', 'embeddings:1'],
    ['TEI /health', '/tei/MODEL/health', 200],
    ['Cohere POST /v2/rerank', '/v2/rerank', best],
    ['Cohere POST /v2/rerank(max_tokens_per_doc, priority)', '/v2/rerank', best],
    ['Cohere POST /v1/rerank(rank_fields, objects)', '/v1/rerank', best],
    ['Jina POST /v1/rerank', '/v1/rerank', best.slice(0, 2)],
  ];
  return calls.map(([name, path, expected]): Call => [name, `\`${path}\``, expected]);
}
