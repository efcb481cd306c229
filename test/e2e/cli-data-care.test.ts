import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cliHome, fixture, type CliHome, type JsonRan } from './cli-harness.js';

let home: CliHome;
beforeEach(() => {
  home = cliHome();
});
afterEach(() => home[Symbol.dispose]());

const push = (version: string) => home.run(['push', fixture(`sentiment/${version}`), '--name', 'sentiment']);

describe('delete, restore, gc and retention', () => {
  test('let a version go, bring it back, and tell what could be removed', { timeout: 60_000 }, async () => {
    await push('v2');
    await push('v3-head');
    expect(await home.run(['delete', 'sentiment:1'])).toMatchObject({ code: 0, stdout: 'sentiment:1 is deleted\n' });
    expect(await home.json(['gc', '--dry-run'])).toMatchObject({
      code: 0,
      value: { dryRun: true, graceMs: 86_400_000, restorable: ['sentiment:1'], removed: { count: 0, bytes: 0 } },
    });
    expect(await home.run(['restore', 'sentiment:1'])).toMatchObject({ code: 0, stdout: 'sentiment:1 is ready\n' });
    expect(await home.json(['gc', '--grace', 'soon'])).toMatchObject({ code: 2 });
    const set = ['retention', 'set', 'sentiment', '--keep-last', '5', '--keep-younger-than', '30d', '--keep-aliased'];
    expect(await home.run(set)).toMatchObject({
      code: 0,
      stdout: 'sentiment: keep last 5, aliased now or before, younger than 30d\n',
    });
    expect(await home.json(['retention', 'set', 'sentiment'])).toMatchObject({ code: 2 });
  });
});

describe('diff', () => {
  test('says what differs, and with examples which answers changed', { timeout: 60_000 }, async () => {
    await push('v2');
    await push('v4-bad');
    const { stdout, code } = await home.run(['diff', 'sentiment:1', 'sentiment:2']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/sentiment:1 and sentiment:2 share .* only the first has/);
    expect(stdout).toMatch(/^TENSOR +FORM +DIFFERING +NORM/m);
    const examples = fixture('sentiment/eval.jsonl');
    const { value } = (await home.json(['diff', 'sentiment:1', 'sentiment:2', '--eval', examples])) as JsonRan<{
      readonly answers: { readonly examples: number; readonly changed: readonly { readonly drop: number }[] };
    }>;
    const drops = value.answers.changed.map(({ drop }) => drop);
    expect(drops.length).toBeGreaterThan(10);
    expect(drops).toEqual(drops.toSorted((a, b) => Math.abs(b) - Math.abs(a) || b - a));
    expect(drops.filter((drop) => drop > 0).length).toBeGreaterThan(drops.filter((drop) => drop < 0).length);
  });
});
