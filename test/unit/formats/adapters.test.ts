import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ModelkeepError, type DerivedTensor, type DeriveTensor, type VersionFiles } from '../../../src/core/index.js';
import { planSession } from '../../../src/formats/index.js';
import { adaptedFiles, compareAdapter, contentsOf } from './adapted-folder.js';
import { compareFiles } from './golden-folder.js';
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

const folders = ['adapters', 'adapters-of-today'].flatMap((folder) =>
  readdirSync(join(FIXTURES, folder))
    // Its golden answers are vectors of texts.
    .filter((name) => name !== 'sentences')
    .map((name) => [name, join(FIXTURES, folder, name)] as const),
);

test.each(folders)('%s answers as peft computes it, alone and in a batch', async (_name, folder) => {
  const { rows, expected, alone, inBatch } = await compareAdapter(folder);
  expect(alone).toBeLessThan(1e-4);
  expect(inBatch).toBeLessThan(1e-4);
  expect(rows).toBeGreaterThan(1);
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

/** What a changed configuration is refused with. */
async function refusalOf(name: string, changes: Readonly<Record<string, unknown>>): Promise<ModelkeepError> {
  const planned = withConfig(name, changes).then((files) => planSession(files).then(({ facts }) => facts));
  const error = await planned.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ModelkeepError);
  return error as ModelkeepError;
}

test.each([
  { peft_type: 'VERA' },
  { init_lora_weights: 'pissa' },
  { init_lora_weights: 'pissa_niter_16' },
  { init_lora_weights: 'olora' },
  { init_lora_weights: 'corda' },
  { init_lora_weights: 'lora_ga' },
  { init_lora_weights: 'loftq' },
  { init_lora_weights: 'of next year' },
  { layer_replication: [[0, 2]] },
  { alora_invocation_tokens: [1, 2] },
  { megatron_config: { a: 1 } },
  { use_qalora: true },
  { use_bdlora: { nblocks: 2 } },
  { arrow_config: { top_k: 3 } },
  { kasa_config: { beta: 0.1 } },
  { some_new_option: 3 },
  { some_new_option: { a: false } },
  { task_type: 'CAUSAL_LM' },
  { alpha_pattern: { '(?=query).*': 3 } },
  { rank_pattern: { '(query': 4 } },
])('%j is refused by name, with the next step', async (changes) => {
  const { code, message } = await refusalOf('sentiment', changes);
  expect(code).toBe('UNSUPPORTED_FORMAT');
  expect(message).toContain(`adapter_config.json: ${Object.keys(changes)[0]} is `);
  expect(message).toMatch(/merge_and_unload|path_initial_model_for_weight_conversion/);
});

test.each([
  { peft_type: null },
  { r: '4' },
  { r: 0 },
  { r: 5 },
  { lora_alpha: '16' },
  { alpha_pattern: { query: 'many' } },
  { alpha_pattern: [1] },
  { rank_pattern: { query: 1.5 } },
  { bias: 'some' },
  { use_rslora: 'yes' },
  { use_dora: true },
  { lora_bias: true },
  { target_modules: 5 },
  { target_modules: ['classifier'] },
  { target_modules: '.*key' },
  { exclude_modules: ['query'] },
  { layers_to_transform: 'first' },
  { layers_to_transform: [0] },
  { target_parameters: 'query.weight' },
  { modules_to_save: 'classifier' },
  { modules_to_save: ['classifier', 'pooler'] },
  { trainable_token_indices: 'all' },
  { trainable_token_indices: [1, -1] },
])('%j contradicts the weights or is no value of the setting, which is named', async (changes) => {
  const { code, message } = await refusalOf('sentiment', changes);
  expect(code).toBe('INVALID_ARTIFACT');
  expect(message).toContain('adapter_config.json: ');
  expect(message).toContain(Object.keys(changes)[0]);
});

test.each([
  { lora_dropout: 0.3 },
  { qalora_group_size: 16 },
  { some_new_option: null, another: false, third: [], fourth: {}, fifth: 0 },
  { init_lora_weights: 'orthogonal' },
  { init_lora_weights: 'eva', eva_config: { rho: 2 } },
  { fan_in_fan_out: true },
  { monteclora_config: { num_samples: 8 }, velora_config: { num_groups: 64 } },
  { target_modules: String.raw`bert\.encoder\.layer\.\d\.attention\.self\.(query|value)` },
  { target_modules: 'all-linear' },
  { rank_pattern: { '.*query': 4 } },
])('%j changes no answer', async (changes) => {
  const { alone } = await compareFiles(await withConfig('sentiment', changes), join(ADAPTERS, 'sentiment'));
  expect(alone).toBeLessThan(1e-4);
});

test.each(['PREFIX_TUNING', 'P_TUNING', 'XLORA'])(
  '%s, which cannot be merged, is refused without that advice',
  async (method) => {
    const { code, message } = await refusalOf('sentiment', { peft_type: method });
    expect([code, message]).toEqual(['UNSUPPORTED_FORMAT', expect.stringContaining('cannot be merged')]);
  },
);

test('what releases of peft read in two ways is read as by the one that wrote it, and else refused', async () => {
  const changes = { alpha_pattern: { query: 3 }, rank_pattern: { 'self.query': 4 } };
  const { code, message } = await refusalOf('sentiment', changes);
  expect([code, message]).toEqual(['UNSUPPORTED_FORMAT', expect.stringContaining('alpha_pattern')]);
  const planned = withConfig('sentiment', { ...changes, peft_version: '0.21.2' }).then((files) => planSession(files));
  await expect(planned).resolves.toBeDefined();
});

/** The settings of AdaLoRA that LoRA would ask about. */
const ADAPTIVE_OFF = Object.fromEntries(
  ['beta1', 'beta2', 'deltaT', 'init_r', 'orth_reg_weight', 'target_r', 'total_step'].map((key) => [key, null]),
);

/** The settings of LoRA that the methods without them would ask about. */
const LORA_OFF = {
  bias: null,
  init_lora_weights: null,
  lora_alpha: null,
  megatron_core: null,
  qalora_group_size: null,
  r: null,
};

test('a pooler that nobody has is refused, with what to train', async () => {
  const { 'adapter_model.safetensors': weights, ...others } = contentsOf(
    join(FIXTURES, 'adapters-of-today/pooler-bert'),
  );
  const lacking = Buffer.from(
    weights?.toString('latin1').replaceAll('.pooler.dense.', '.former.dense.') ?? '',
    'latin1',
  );
  const contents = { ...contentsOf(join(FIXTURES, 'archs/heads/bert-mlm')), ...others };
  const config = JSON.parse(others['adapter_config.json']?.toString() ?? '') as Record<string, unknown>;
  const planned = planSession(
    memoryFiles({
      ...contents,
      'adapter_model.safetensors': lacking,
      [CONFIG]: Buffer.from(JSON.stringify({ ...config, modules_to_save: ['classifier'] })),
    }),
  );
  await expect(planned).rejects.toMatchObject({
    code: 'INVALID_ARTIFACT',
    message: expect.stringContaining('["pooler"]'),
  });
});

test.each([
  ['rows-bert', { trainable_token_indices: { word_embeddings: [7, 31] } }],
  ['rows-bert', { trainable_token_indices: { word_embeddings: [7, 31, 31] } }],
  ['rows-bert', { trainable_token_indices: { word_embeddings: [7, 31, 64] } }],
  ['rows-bert', { trainable_token_indices: { other_embeddings: [7, 31, 12] } }],
  ['rows-bert', { trainable_token_indices: null }],
  ['dora-bert', { use_dora: false }],
  ['pair-bias-roberta', { lora_bias: false }],
  ['parameters-roberta', { target_parameters: ['key.weight'] }],
  ['factors-bert', { feedforward_modules: ['key', 'output.dense'] }],
  ['factors-bert', { feedforward_modules: 5 }],
  ['factors-bert', { target_modules: ['key'] }],
  ['factors-bert', { peft_type: 'LN_TUNING', feedforward_modules: null, init_ia3_weights: null }],
  ['sentences', { peft_type: 'IA3', ...LORA_OFF }],
  ['ranks-bert', { init_r: 4 }],
  ['ranks-bert', { init_r: 'three' }],
  ['ranks-bert', { lora_alpha: 0 }],
  ['ranks-bert', { rank_pattern: 5 }],
  ['ranks-bert', { peft_type: 'LORA', ...ADAPTIVE_OFF }],
  ['ranks-roberta', { rank_pattern: null }],
  ['dora-bert', { peft_type: 'ADALORA' }],
  ['only-rows-bert', { token_indices: [7] }],
  ['only-rows-bert', { token_indices: 'none' }],
])('%s with %j is refused by name', async (name, changes) => {
  const { code, message } = await refusalOf(`../adapters-of-today/${name}`, changes);
  expect(code).toBe('INVALID_ARTIFACT');
  expect(message).toMatch(name.startsWith('parameters') ? /target_modules/ : new RegExp(Object.keys(changes)[0] ?? ''));
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
  ['one layer twice', /self\.value\.lora_A\.weight/, 'self.query.lora_A.weight'],
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
