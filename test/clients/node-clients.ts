import { readFileSync } from 'node:fs';
import { InferenceClient } from '@huggingface/inference';
import { OpenAI } from 'openai';
import { LABELS, LONG, MASK, MATCH, NER, QA, SIMILAR, TEXT, TEXTS, zeroShot } from './calls.js';
import { MODEL_NAMES, type ClientServer } from './client-server.js';
import type { Call, Outcome, Seen } from './clients-python.js';

/** A call and how it is made. */
type Made = readonly [...call: Call, make: () => Promise<unknown>];

async function outcomeOf(make: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { value: await make() };
  } catch (error) {
    return { error: String(error).slice(0, 500) };
  }
}

async function seenOf(name: string, made: readonly Made[]): Promise<{ readonly seen: Seen; readonly calls: Call[] }> {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8')) as { version: string };
  const calls: Record<string, Outcome> = {};
  for (const [call, , , make] of made) calls[call] = await outcomeOf(make);
  return {
    seen: { versions: { [name]: version }, calls },
    calls: made.map(([call, asks, expected]): Call => [call, asks, expected]),
  };
}

const at = (model: string) => `\`/models/${model}\``;

/** Asks by every method of `@huggingface/inference` for a task that the server has. */
export async function askHuggingFace(server: ClientServer) {
  const { plain, key, running } = server;
  const of = (model: string) => new InferenceClient(key).endpoint(`${running.url}/models/${model}`);
  const cut = { truncate: true, truncation_direction: 'left' as const };
  const qaOptions = { top_k: 2, max_answer_len: 3, doc_stride: 2, max_seq_len: 48, handle_impossible_answer: true };
  const multi = { multi_label: true, hypothesis_template: 'It is about {}.' };
  const entities = { aggregation_strategy: 'first' as const, ignore_labels: ['PER'], stride: 4 };
  const made: readonly Made[] = [
    [
      'featureExtraction',
      at('embeddings'),
      await plain('embeddings', TEXT),
      () => of('embeddings').featureExtraction({ inputs: TEXT }),
    ],
    [
      'featureExtraction(list)',
      at('embeddings'),
      await plain('embeddings', TEXTS),
      () => of('embeddings').featureExtraction({ inputs: TEXTS }),
    ],
    [
      'featureExtraction(normalize, dimensions)',
      at('embeddings'),
      await plain('embeddings', TEXT, { dimensions: 8 }),
      () => of('embeddings').featureExtraction({ inputs: TEXT, normalize: true, dimensions: 8 }),
    ],
    [
      'featureExtraction(truncate, truncation_direction)',
      at('embeddings'),
      await plain('embeddings', LONG, cut),
      () => of('embeddings').featureExtraction({ inputs: LONG, ...cut }),
    ],
    [
      'featureExtraction of tokens',
      at('features'),
      await plain('features', TEXT),
      () => of('features').featureExtraction({ inputs: TEXT }),
    ],
    [
      'fillMask(top_k, targets)',
      at('fill-mask'),
      await plain('fill-mask', MASK, { top_k: 2, targets: ['cat', 'film'] }),
      () => of('fill-mask').fillMask({ inputs: MASK, parameters: { top_k: 2, targets: ['cat', 'film'] } }),
    ],
    ['questionAnswering', at('qa'), await plain('qa', QA), () => of('qa').questionAnswering({ inputs: QA })],
    [
      'questionAnswering(its options)',
      at('qa'),
      // The client gives the best answer alone.
      ((await plain('qa', QA, qaOptions)) as unknown[])[0],
      () => of('qa').questionAnswering({ inputs: QA, parameters: qaOptions }),
    ],
    [
      'sentenceSimilarity',
      at('embeddings'),
      await plain('embeddings', SIMILAR),
      () => of('embeddings').sentenceSimilarity({ inputs: SIMILAR }),
    ],
    [
      'textClassification',
      at('sentiment'),
      await plain('sentiment', TEXT),
      () => of('sentiment').textClassification({ inputs: TEXT }),
    ],
    [
      'textClassification(top_k, function_to_apply)',
      at('sentiment'),
      await plain('sentiment', TEXT, { top_k: 2, function_to_apply: 'none' }),
      () => of('sentiment').textClassification({ inputs: TEXT, parameters: { top_k: 2, function_to_apply: 'none' } }),
    ],
    [
      'tokenClassification',
      at('ner'),
      await plain('ner', NER, { aggregation_strategy: 'simple' }),
      () => of('ner').tokenClassification({ inputs: NER }),
    ],
    [
      'tokenClassification(aggregation_strategy, ignore_labels, stride)',
      at('ner'),
      await plain('ner', NER, entities),
      () => of('ner').tokenClassification({ inputs: NER, parameters: entities }),
    ],
    [
      'zeroShotClassification',
      at('zero-shot'),
      await zeroShot(server, {}),
      () => of('zero-shot').zeroShotClassification({ inputs: MATCH, parameters: { candidate_labels: LABELS } }),
    ],
    [
      'zeroShotClassification(multi_label, hypothesis_template)',
      at('zero-shot'),
      await zeroShot(server, multi),
      () =>
        of('zero-shot').zeroShotClassification({ inputs: MATCH, parameters: { candidate_labels: LABELS, ...multi } }),
    ],
  ];
  return seenOf('@huggingface/inference', made);
}

/** Asks by the methods of the npm package `openai` that the server has. */
export async function askOpenAi({ plain, key, running }: ClientServer) {
  const client = new OpenAI({ baseURL: `${running.url}/v1`, apiKey: key, maxRetries: 0 });
  const asks = '`/v1/embeddings`';
  const embed = async (options: Omit<OpenAI.EmbeddingCreateParams, 'model'>): Promise<unknown> => {
    const { data } = await client.embeddings.create({ model: 'embeddings', ...options });
    return data.map(({ embedding }) => embedding);
  };
  const one = [await plain('embeddings', TEXT)];
  const ids = [
    [2, 5, 6, 3],
    [2, 7, 3],
  ];
  const made: readonly Made[] = [
    ['embeddings.create(text)', asks, one, () => embed({ input: TEXT })],
    ['embeddings.create(texts)', asks, await plain('embeddings', TEXTS), () => embed({ input: TEXTS })],
    ['embeddings.create(lists of ids)', asks, await plain('embeddings', ids), () => embed({ input: ids })],
    [
      'embeddings.create(dimensions)',
      asks,
      [await plain('embeddings', TEXT, { dimensions: 8 })],
      () => embed({ input: TEXT, dimensions: 8 }),
    ],
    ['embeddings.create(encoding_format float)', asks, one, () => embed({ input: TEXT, encoding_format: 'float' })],
    [
      'models.list',
      '`/v1/models`',
      MODEL_NAMES,
      async () => (await client.models.list()).data.map(({ id }) => id).toSorted(),
    ],
    [
      'models.retrieve',
      '`/v1/models/MODEL`',
      'embeddings',
      async () => (await client.models.retrieve('embeddings')).id,
    ],
  ];
  return seenOf('openai', made);
}
