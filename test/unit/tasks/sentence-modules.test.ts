import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openTask } from '../../../src/tasks/index.js';
import { readSentencePipeline } from '../../../src/tasks/sentence-pipeline.js';
import { memoryFiles } from '../formats/memory-files.js';

const FOLDER = 'test/fixtures/tasks/embeddings';
const LIBRARY = 'sentence_transformers.models.';

/** The files of tasks/embeddings; a change of undefined leaves a file out. */
function changed(changes: Readonly<Record<string, unknown>> = {}) {
  const paths = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter(
    (path) => statSync(join(FOLDER, path)).isFile() && !path.endsWith('golden.json'),
  );
  const contents = Object.fromEntries(paths.map((path) => [path, readFileSync(join(FOLDER, path))]));
  for (const [path, value] of Object.entries(changes)) {
    if (value === undefined) delete contents[path];
    else contents[path] = Buffer.from(JSON.stringify(value));
  }
  return memoryFiles(contents);
}

const modules = (...kinds: readonly string[]) =>
  ['Transformer', ...kinds].map((kind, at) => ({
    idx: at,
    name: String(at),
    path: at === 0 ? '' : `${at}_${kind}`,
    type: kind.includes('.') ? kind : LIBRARY + kind,
  }));

const pooling = (config: Readonly<Record<string, unknown>>) => ({ '1_Pooling/config.json': config });
const settings = (config: Readonly<Record<string, unknown>>) => ({ 'sentence_bert_config.json': config });
const whole = (config: Readonly<Record<string, unknown>>) => ({ 'config_sentence_transformers.json': config });

describe('a pooling is read as the library reads it', () => {
  test.each([
    ['a word', { embedding_dimension: 64, pooling_mode: 'lasttoken' }, ['lasttoken']],
    ['a list in its order', { embedding_dimension: 64, pooling_mode: ['mean', 'cls'] }, ['mean', 'cls']],
    ['no mode', { embedding_dimension: 64 }, ['mean']],
    [
      'the word before the old names',
      { word_embedding_dimension: 64, pooling_mode: 'cls', pooling_mode_max_tokens: true },
      ['cls'],
    ],
    [
      'old names in the old order',
      { word_embedding_dimension: 64, pooling_mode_mean_tokens: true, pooling_mode_cls_token: true },
      ['cls', 'mean'],
    ],
    ['old names that are all off', { word_embedding_dimension: 64, pooling_mode_mean_tokens: false }, ['mean']],
  ])('%s', async (_what, config, modes) => {
    expect((await readSentencePipeline(changed(pooling(config)))).modes).toEqual(modes);
  });
});

test('a model that another class of the library saved is pooled by the mean, as the library does', async () => {
  const files = changed({
    ...whole({ model_type: 'CrossEncoder' }),
    ...pooling({ embedding_dimension: 64, pooling_mode: 'cls' }),
  });
  expect((await readSentencePipeline(files)).modes).toEqual(['mean']);
});

test.each([
  ['sentence_roberta_config.json', { max_seq_length: 9 }, 9],
  ['sentence_bert_config.json', { max_seq_length: 9, processor_kwargs: { model_max_length: 7 } }, 7],
  ['sentence_bert_config.json', { processing_kwargs: { text: { max_length: 5 } }, max_seq_length: 9 }, 5],
  ['sentence_bert_config.json', { max_seq_length: 1_000 }, 128],
  ['sentence_bert_config.json', {}, 128],
])('the longest text is what %s says: %j', async (path, config, longest) => {
  const files = changed({ 'sentence_bert_config.json': undefined, [path]: config });
  const task = await openTask(files);
  expect(task.maxTokens).toBe(longest);
  const { encodings } = await task.prepare({ inputs: 'the cat '.repeat(600) });
  expect(encodings[0]?.ids).toHaveLength(longest);
});

/** How a model that a release saved treats a text. */
async function cleanedBy(release: string, text: string): Promise<string> {
  const config = whole({ __version__: { sentence_transformers: release } });
  return (await readSentencePipeline(changed(config))).texts.clean(text);
}

test('spaces around a text are taken away for models of releases that did so', async () => {
  const text = '\u001c x\u00a0';
  expect(await cleanedBy('3.3.1', text)).toBe('x');
  expect(await cleanedBy('5.3.0', text)).toBe('x');
  expect(await cleanedBy('5.4.0', text)).toBe(text);
  expect(await cleanedBy('6.2.0', text)).toBe(text);
});

/** What a version says of its pooling. */
async function toldPooling(changes: Readonly<Record<string, unknown>>): Promise<string | undefined> {
  return (await openTask(changed(changes))).facts.pooling;
}

describe('what cannot be answered as the library does is refused', () => {
  test.each([
    ['a pooling whose folder is missing', { '1_Pooling/config.json': undefined }, 'INVALID_ARTIFACT', '1_Pooling'],
    ['an unknown mode', pooling({ embedding_dimension: 64, pooling_mode: 'median' }), 'UNSUPPORTED_FORMAT', 'median'],
    [
      'an empty list of modes',
      pooling({ embedding_dimension: 64, pooling_mode: [] }),
      'UNSUPPORTED_FORMAT',
      'pooling_mode',
    ],
    ['a mode that is a number', pooling({ embedding_dimension: 64, pooling_mode: 3 }), 'UNSUPPORTED_FORMAT', '3'],
    ['an unknown key of a pooling', pooling({ embedding_dimension: 64, scale: 2 }), 'UNSUPPORTED_FORMAT', 'scale'],
    ['a pooling without width', pooling({ pooling_mode: 'cls' }), 'INVALID_ARTIFACT', 'embedding_dimension'],
    [
      'a mode that is no flag',
      pooling({ word_embedding_dimension: 64, pooling_mode_cls_token: 'false' }),
      'INVALID_ARTIFACT',
      'pooling_mode_cls_token',
    ],
    ['no pooling', { 'modules.json': modules() }, 'UNSUPPORTED_FORMAT', 'Pooling'],
    [
      'a module before the pooling',
      { 'modules.json': modules('Normalize', 'Pooling') },
      'UNSUPPORTED_FORMAT',
      'Normalize',
    ],
    ['two poolings', { 'modules.json': modules('Pooling', 'Pooling') }, 'UNSUPPORTED_FORMAT', 'second Pooling'],
    [
      'a class of another package',
      { 'modules.json': modules('my_code.Pooling') },
      'UNSUPPORTED_FORMAT',
      'my_code.Pooling',
    ],
    ['a module that is not supported', { 'modules.json': modules('Pooling', 'LSTM') }, 'UNSUPPORTED_FORMAT', 'LSTM'],
    [
      'another first module',
      { 'modules.json': modules().map((one) => ({ ...one, type: `${LIBRARY}CLIPModel` })) },
      'UNSUPPORTED_FORMAT',
      'CLIPModel',
    ],
    [
      'a path out of the folder',
      { 'modules.json': [...modules(), { path: '../1_Pooling', type: `${LIBRARY}Pooling` }] },
      'INVALID_ARTIFACT',
      '../1_Pooling',
    ],
    ['a module without type', { 'modules.json': [{ path: '' }] }, 'INVALID_ARTIFACT', 'type'],
    ['no module', { 'modules.json': [] }, 'INVALID_ARTIFACT', 'modules.json'],
    [
      'layers of tokens',
      {
        'modules.json': modules('Pooling', 'Normalize'),
        '2_Normalize/config.json': { module_input_name: 'token_embeddings' },
      },
      'UNSUPPORTED_FORMAT',
      'module_input_name',
    ],
    ['another kind of model', whole({ model_type: 'MultiVectorEncoder' }), 'UNSUPPORTED_FORMAT', 'MultiVectorEncoder'],
    ['another output', settings({ transformer_task: 'fill-mask' }), 'UNSUPPORTED_FORMAT', 'transformer_task'],
    ['chat templates', settings({ modality_config: { text: {}, message: {} } }), 'UNSUPPORTED_FORMAT', 'message'],
    [
      'the output of a pooler',
      settings({ modality_config: { text: { method: 'forward', method_output_name: 'pooler_output' } } }),
      'UNSUPPORTED_FORMAT',
      'pooler_output',
    ],
    [
      'arguments that would change ids',
      settings({ tokenizer_args: { add_prefix_space: true } }),
      'UNSUPPORTED_FORMAT',
      'add_prefix_space',
    ],
    [
      'calls that would change ids',
      settings({ processing_kwargs: { text: { add_special_tokens: false } } }),
      'UNSUPPORTED_FORMAT',
      'add_special_tokens',
    ],
    ['an unknown key of the settings', settings({ temperature: 2 }), 'UNSUPPORTED_FORMAT', 'temperature'],
    ['a limit that is none', settings({ max_seq_length: '128' }), 'INVALID_ARTIFACT', 'max_seq_length'],
    ['prompts that are no texts', whole({ prompts: { query: 3 } }), 'INVALID_ARTIFACT', 'prompts.query'],
    ['a default prompt that is none', whole({ default_prompt_name: 'q' }), 'INVALID_ARTIFACT', '"q"'],
    ['an unknown similarity', whole({ similarity_fn_name: 'maxsim' }), 'UNSUPPORTED_FORMAT', 'maxsim'],
    ['a cut that is none', whole({ truncate_dim: 0 }), 'INVALID_ARTIFACT', 'truncate_dim'],
  ])('%s', async (_what, changes, code, named) => {
    await expect(openTask(changed(changes))).rejects.toMatchObject({ code, message: expect.stringContaining(named) });
  });
});

test('what a version says of its pooling is told', async () => {
  expect(await toldPooling({})).toBe('mean, normalized');
  expect(
    await toldPooling({
      'modules.json': modules('Pooling'),
      ...pooling({ embedding_dimension: 64, pooling_mode: ['cls', 'max'], include_prompt: false }),
      ...whole({ truncate_dim: 8, similarity_fn_name: 'dot' }),
    }),
  ).toBe('cls + max without the prompt, the first 8 numbers; compared by dot');
});
