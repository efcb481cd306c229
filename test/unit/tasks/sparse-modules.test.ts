import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openTask } from '../../../src/tasks/index.js';
import { memoryFiles } from '../formats/memory-files.js';

const MODEL = 'test/fixtures/tasks/fill-mask';
const SPARSE = 'test/fixtures/tasks/sparse/max';
const CLASS = 'sentence_transformers.sparse_encoder.modules.';
const POOLING = '1_SpladePooling/config.json';

/** The files of a sparse encoder; a change of undefined leaves a file out. */
function changed(changes: Readonly<Record<string, unknown>> = {}) {
  const contents: Record<string, Buffer> = {};
  for (const folder of [MODEL, SPARSE]) {
    for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (statSync(join(folder, path)).isFile()) contents[path] = readFileSync(join(folder, path));
    }
  }
  for (const [path, value] of Object.entries(changes)) {
    if (value === undefined) delete contents[path];
    else contents[path] = Buffer.from(JSON.stringify(value));
  }
  return memoryFiles(contents);
}

const modules = (...kinds: readonly string[]) =>
  kinds.map((kind, at) => ({ idx: at, name: String(at), path: at === 0 ? '' : `${at}_${kind}`, type: CLASS + kind }));

/** The task of a sparse encoder, and what it says of its pooling. */
async function toldPooling(changes: Readonly<Record<string, unknown>>): Promise<readonly unknown[]> {
  const { name, facts } = await openTask(changed(changes));
  return [name, facts.pooling];
}

test('a sparse encoder says how it pools', async () => {
  expect(await toldPooling({})).toEqual(['sparse-embeddings', 'SPLADE, max of log(1 + relu)']);
  expect(
    await toldPooling({
      [POOLING]: { pooling_strategy: 'sum', activation_function: 'log1p_relu', word_embedding_dimension: 2000 },
      'config_sentence_transformers.json': { model_type: 'SparseEncoder', max_active_dims: 8 },
    }),
  ).toEqual(['sparse-embeddings', 'SPLADE, sum of log(1 + log(1 + relu)), the largest 8']);
});

test.each([
  ['a pooling whose folder is missing', { [POOLING]: undefined }, 'INVALID_ARTIFACT', '1_SpladePooling'],
  ['another strategy', { [POOLING]: { pooling_strategy: 'mean' } }, 'UNSUPPORTED_FORMAT', 'mean'],
  ['another activation', { [POOLING]: { activation_function: 'gelu' } }, 'UNSUPPORTED_FORMAT', 'gelu'],
  ['an unknown key', { [POOLING]: { temperature: 2 } }, 'UNSUPPORTED_FORMAT', 'temperature'],
  ['no pooling', { 'modules.json': modules('Transformer') }, 'UNSUPPORTED_FORMAT', 'SpladePooling'],
  [
    'an encoder without inference',
    { 'modules.json': modules('SparseStaticEmbedding') },
    'UNSUPPORTED_FORMAT',
    'SparseStaticEmbedding',
  ],
  ['a router', { 'modules.json': modules('Router') }, 'UNSUPPORTED_FORMAT', 'Router'],
  [
    'an autoencoder',
    { 'modules.json': modules('Transformer', 'Pooling', 'SparseAutoEncoder') },
    'UNSUPPORTED_FORMAT',
    'Pooling',
  ],
  [
    'a module behind the pooling',
    { 'modules.json': modules('Transformer', 'SpladePooling', 'Normalize') },
    'UNSUPPORTED_FORMAT',
    'Normalize',
  ],
  ['an encoder of vectors', { 'sentence_bert_config.json': {} }, 'UNSUPPORTED_FORMAT', 'transformer_task'],
  ['no weights to author a graph of', { 'model.safetensors': undefined }, 'UNSUPPORTED_FORMAT', 'checkpoint'],
  [
    'weights without end',
    { 'config_sentence_transformers.json': { model_type: 'SparseEncoder', max_active_dims: -1 } },
    'INVALID_ARTIFACT',
    'max_active_dims',
  ],
])('a sparse encoder with %s is refused', async (_what, changes, code, named) => {
  await expect(openTask(changed(changes))).rejects.toMatchObject({ code, message: expect.stringContaining(named) });
});
