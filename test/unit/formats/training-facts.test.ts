import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readTrainingFacts } from '../../../src/formats/index.js';
import { temporaryFolder } from './temporary-folder.js';

async function factsOf(files: Readonly<Record<string, string>>) {
  using folder = temporaryFolder();
  const directory = folder.path;
  const listed = Object.entries(files).map(([path, text]) => {
    writeFileSync(join(directory, path), text);
    return { path, absolutePath: join(directory, path), size: text.length };
  });
  return await readTrainingFacts({ format: 'hf', directory, files: listed, warnings: [] });
}

test('keeps how training ended, and what the card says', async () => {
  const log_history = [
    { epoch: 1, loss: 0.9, eval_loss: 0.8, step: 10 },
    { epoch: 2, eval_loss: 0.4, eval_accuracy: 0.91 },
    'odd',
  ];
  const state = { epoch: 2, global_step: 20, best_metric: 0.91, best_model_checkpoint: '/home/ann/run/checkpoint-20' };
  const { training, card, warnings } = await factsOf({
    'trainer_state.json': JSON.stringify({ ...state, log_history, is_world_process_zero: true }),
    'README.md':
      '---\nlicense: mit\nlanguage: [en, de]\nbase_model: google-bert/bert-base-uncased\nmodel-index: [{name: x}]\n---\n# Card\n',
  });
  expect(training).toEqual({
    epoch: 2,
    global_step: 20,
    best_metric: 0.91,
    best_model_checkpoint: 'checkpoint-20',
    loss: 0.9,
    eval_loss: 0.4,
    eval_accuracy: 0.91,
  });
  expect(card).toEqual({ license: 'mit', language: ['en', 'de'], base_model: 'google-bert/bert-base-uncased' });
  expect(warnings).toEqual([]);
});

test.each([
  ['truncated', { 'trainer_state.json': '{"epoch": 2' }],
  ['no object', { 'trainer_state.json': '[1]' }],
  ['a bomb of aliases', { 'README.md': '---\na: &a [x, x]\nlicense: &b [*a, *a]\ntags: [*b, *b]\n---\n' }],
  ['no YAML', { 'README.md': '---\n{ [ :\n---\n' }],
  ['nested without end', { 'README.md': `---\nlicense: ${'['.repeat(30_000)}\n---\n` }],
])('warns of what is %s, and goes on', async (_, files) => {
  const { training, card, warnings } = await factsOf(files);
  expect({ training, card }).toEqual({ training: undefined, card: undefined });
  expect(warnings).toHaveLength(1);
});

test('says nothing without files, and takes no front matter from the middle of a card', async () => {
  expect(await factsOf({})).toEqual({ warnings: [] });
  expect(await factsOf({ 'README.md': '# Card\n---\nlicense: mit\n---\n' })).toEqual({ warnings: [] });
});
