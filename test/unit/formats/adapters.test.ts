import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DerivedTensor, DeriveTensor, VersionFiles } from '../../../src/core/index.js';
import { planSession } from '../../../src/formats/index.js';
import { adaptedFiles, compareAdapter, contentsOf } from './adapted-folder.js';
import { memoryFiles } from './memory-files.js';

const FIXTURES = join(import.meta.dirname, '../../fixtures');
const ADAPTERS = join(FIXTURES, 'adapters');
const CONFIG = 'adapter_config.json';

function adapted(name: string, changes: Readonly<Record<string, Buffer>> = {}): Promise<VersionFiles> {
  return adaptedFiles(join(ADAPTERS, name), changes);
}

function withConfig(name: string, changes: Readonly<Record<string, unknown>>) {
  const config = JSON.parse(readFileSync(join(ADAPTERS, name, CONFIG), 'utf8')) as Record<string, unknown>;
  return adapted(name, { [CONFIG]: Buffer.from(JSON.stringify({ ...config, ...changes })) });
}

test.each(readdirSync(ADAPTERS))('%s answers as its merged model, alone and in a batch', async (name) => {
  const { rows, expected, alone, inBatch } = await compareAdapter(join(ADAPTERS, name));
  expect(alone).toBeLessThan(1e-4);
  expect(inBatch).toBeLessThan(1e-4);
  expect(rows).toBe(3);
  expect(expected.length).toBeGreaterThan(0);
});

test('only what the adapter touches is made anew, from sources that are named by content', async () => {
  const files = await adapted('sentiment');
  const made: string[] = [];
  const digest = 'sha256:0000000000000000000000000000000000000000000000000000000000000000' as const;
  const derive: DeriveTensor = async ({ recipe, sources, make }) => {
    made.push(recipe);
    expect(sources).toHaveLength(3);
    const size = (await make()).byteLength;
    return { file: `/segments/made${made.length}`, offset: 0, digest, size } satisfies DerivedTensor;
  };
  const located: VersionFiles = {
    ...files,
    locate: (path, start) => ({ file: `/segments/${path}`, offset: start, digest }),
  };
  const { graph } = await planSession(located, { derive });
  // Queries and values of two layers.
  expect(made).toHaveLength(4);
  const text = Buffer.from(graph).toString('latin1');
  for (const name of ['made1', 'made2', 'made3', 'made4', 'model.safetensors', 'adapter_model.safetensors'])
    expect(text).toContain(name);
});

test.each([
  ['DoRA', { use_dora: true }],
  ['another method', { peft_type: 'IA3' }],
  ['biases', { bias: 'all' }],
  ['biases of its pairs', { lora_bias: true }],
  ['first weights that change the base', { init_lora_weights: 'pissa' }],
  ['layers that are repeated', { layer_replication: [[0, 2]] }],
  ['an option that is not known', { some_new_option: 3 }],
  ['a task that is not known', { task_type: 'CAUSAL_LM' }],
  ['patterns that would have to be executed', { alpha_pattern: { '(a+)+': 3 } }],
  [
    'patterns that releases of peft read differently',
    { alpha_pattern: { query: 3 }, rank_pattern: { 'self.query': 2 } },
  ],
])('an adapter with %s is refused', async (_what, changes) => {
  const planned = withConfig('sentiment', changes).then((files) => planSession(files));
  await expect(planned).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
});

test.each([
  ['lora_alpha', { lora_alpha: '16' }],
  ['alpha_pattern', { alpha_pattern: { query: 'many' } }],
])('an adapter whose %s is wrong is refused', async (_what, changes) => {
  const planned = withConfig('sentiment', changes).then((files) => planSession(files));
  await expect(planned).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});

/** The adapter's weights with a header that was changed in place; as long as before. */
function withHeader(name: string, from: RegExp, to: string): Buffer {
  const bytes = readFileSync(join(ADAPTERS, name, 'adapter_model.safetensors'));
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = bytes.toString('latin1', 8, end).replace(from, to);
  return Buffer.concat([
    bytes.subarray(0, 8),
    Buffer.from(header.padEnd(end - 8).slice(0, end - 8), 'latin1'),
    bytes.subarray(end),
  ]);
}

test.each([
  ['a layer that the base does not have', /self\.query\.lora_A/, 'self.queer.lora_A'],
  ['half of a pair', /self\.query\.lora_A\.weight/, 'self.query.lone_A.weight'],
  ['a name that is none of peft', /base_model\.model\.bert/, 'bare_model.model.bert'],
  ['another kind of change', /self\.query\.lora_A\.weight/, 'self.query.lora_magni_A'],
])('an adapter with %s is refused', async (_what, from, to) => {
  const changed = withHeader('sentiment', from, to);
  const planned = adapted('sentiment', { 'adapter_model.safetensors': changed }).then((files) => planSession(files));
  await expect(planned).rejects.toMatchObject({ code: expect.stringMatching(/INVALID_ARTIFACT|UNSUPPORTED_FORMAT/) });
});

test('an adapter of a base of another width is refused', async () => {
  const other = contentsOf(join(FIXTURES, 'sentiment/v1'));
  const files = memoryFiles({ ...other, ...contentsOf(join(ADAPTERS, 'sentiment')) });
  await expect(planSession(files)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});

test('an adapter whose weights are a pickle is refused', async () => {
  const { 'adapter_model.safetensors': _, ...contents } = contentsOf(join(ADAPTERS, 'sentiment'));
  const files = memoryFiles({ ...contentsOf(join(FIXTURES, 'archs/bert')), ...contents });
  await expect(planSession(files)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
});
