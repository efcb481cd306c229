import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cliHome, fixture, type CliHome, type ErrorDocument } from './cli-harness.js';

let home: CliHome;

beforeEach(() => {
  home = cliHome();
});

afterEach(() => home[Symbol.dispose]());

const push = (path: string, ...more: readonly string[]) => home.json(['push', path, '--name', 'sentiment', ...more]);
const names = (value: unknown) =>
  (value as readonly { model: string; version: number }[]).map(({ model, version }) => `${model}:${version}`);

test(
  'publishes with facts, tags and a parent, finds versions by them, and shows the line of descent',
  { timeout: 120_000 },
  async () => {
    const trained = join(home.root, 'trained');
    cpSync(fixture('sentiment/v2'), trained, { recursive: true });
    writeFileSync(join(trained, 'trainer_state.json'), JSON.stringify({ epoch: 3, global_step: 500, log_history: [] }));
    writeFileSync(join(trained, 'README.md'), '---\nbase_model: google-bert/bert-base-uncased\n---\n');
    // A pickle that would do harm if anything opened it.
    writeFileSync(join(trained, 'training_args.bin'), Buffer.from('cposix\nsystem\n(S"touch harmed"\ntR.'));
    expect((await push(trained, '--tag', 'prod', 'reviews')).code).toBe(0);
    await home.run(['alias', 'set', 'sentiment:1', 'production']);
    const child = await push(fixture('sentiment/v3-head'), '--parent', 'sentiment@production', '--metadata', '{"x":1}');
    expect(child.value).toMatchObject({ record: { version: 2, parent: 'sentiment:1', metadata: { x: 1 } } });
    const where = async (text: string) => names((await home.json(['list', '--where', text])).value);
    expect(await where('training.epoch>=3 and tag=prod')).toEqual(['sentiment:1']);
    expect(await where('card.base_model ~ BERT-base or metadata.x = 1')).toEqual(['sentiment:1', 'sentiment:2']);
    const { value } = await home.json(['lineage', 'sentiment:1']);
    expect(value).toMatchObject({
      base: ['google-bert/bert-base-uncased'],
      ancestors: [],
      descendants: [{ name: 'sentiment:2', parent: 'sentiment:1', distance: 1 }],
    });
    expect((await home.json(['lineage', 'sentiment:2'])).value).toMatchObject({ ancestors: [{ name: 'sentiment:1' }] });
    expect((await home.run(['lineage', 'sentiment:2'])).stdout).toMatch(
      /bert-base-uncased.*\n.*sentiment:1.*\n.*sentiment:2/,
    );
  },
);

test('changes tags and annotations, and tells it in the history', { timeout: 120_000 }, async () => {
  await push(fixture('sentiment/v2'));
  await home.run(['tag', 'add', 'sentiment', 'a', 'b']);
  await home.run(['tag', 'rm', 'sentiment:1', 'a']);
  const annotated = await home.json(['annotate', 'sentiment:1', 'owner=ann', 'score=0.5', 'ok=true']);
  const expected = { tags: ['b'], annotations: { owner: 'ann', score: 0.5, ok: true } };
  expect(annotated).toMatchObject({ code: 0, value: expected });
  expect((await home.json(['show', 'sentiment'])).value).toMatchObject({ record: expected });
  expect((await home.run(['history', 'sentiment'])).stdout).toMatch(/\+owner= \+score= \+ok=[^]*-a[^]*\+a \+b/);
});

test('refuses what is malformed or too large, and publishes nothing', { timeout: 120_000 }, async () => {
  const large = join(home.root, 'large.json');
  writeFileSync(large, JSON.stringify({ text: 'x'.repeat(20_000_000) }));
  const over = join(home.root, 'over.json');
  writeFileSync(over, JSON.stringify({ text: 'x'.repeat(1_100_000) }));
  const refused: readonly (readonly [readonly string[], string])[] = [
    [['--metadata-file', large], 'INVALID_INPUT'],
    [['--metadata-file', over], 'INVALID_INPUT'],
    [['--metadata', '{"a.b": 1}'], 'INVALID_INPUT'],
    [['--metadata', '{"a": {"$where": 1}}'], 'INVALID_INPUT'],
    [['--tag', 'has blank'], 'INVALID_INPUT'],
    [['--parent', 'nobody:1'], 'MODEL_NOT_FOUND'],
  ];
  for (const [flags, code] of refused) {
    const { value } = await push(fixture('sentiment/v2'), ...flags);
    expect(value).toMatchObject({ error: { code } });
  }
  expect((await home.json(['list'])).value).toEqual([]);
  const { value } = await home.json(['list', '--where', 'metadata.$where = 1']);
  expect((value as ErrorDocument).error.code).toBe('INVALID_INPUT');
});
