import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cliHome, fixture, type CliHome, type ErrorDocument, type JsonRan } from './cli-harness.js';

let home: CliHome;

beforeEach(async () => {
  home = cliHome();
  for (const version of ['v1', 'v2']) await home.run(['push', fixture(`sentiment/${version}`), '--name', 'sentiment']);
  await home.run(['alias', 'set', 'sentiment:1', 'production']);
});

afterEach(() => home[Symbol.dispose]());

const failure = async (args: readonly string[]): Promise<{ code: number; error: ErrorDocument['error'] }> => {
  const { code, value } = (await home.json(args)) as JsonRan<ErrorDocument>;
  return { code, error: value.error };
};

describe('alias', () => {
  test('protect, gate and guard an alias, and list what guards it', async () => {
    await home.run(['alias', 'gate', 'set', 'sentiment@production', '--quality', 'off', '--max-latency', '2']);
    await home.run(['alias', 'guard', 'sentiment@production', '--for', '10m', '--max-error-rate', '0.05']);
    const kept = await home.run(['alias', 'protect', 'sentiment@production']);
    expect(kept).toMatchObject({ code: 0, stdout: expect.stringContaining('protected') });
    const { value } = await home.json(['alias', 'list', 'sentiment']);
    expect(value).toMatchObject([
      {
        policy: {
          protected: true,
          gates: { quality: 'off', maxLatencyRatio: 2 },
          autoRollback: { withinMs: 600_000, maxErrorRate: 0.05 },
        },
      },
    ]);
    const mute = await failure(['rollback', 'sentiment@production', '--to', '2']);
    expect(mute).toMatchObject({ code: 2, error: { code: 'INVALID_INPUT' } });
    const told = await home.run(['rollback', 'sentiment@production', '--to', '2', '-m', 'drift']);
    expect(told).toMatchObject({ code: 0, stdout: 'sentiment@production: 1 -> 2\n' });
  });

  test('split an alias, and tell the story', async () => {
    const split = await home.run(['alias', 'split', 'sentiment@production', '1=90', '2=10', '-m', 'try it']);
    expect(split).toMatchObject({ code: 0, stdout: 'sentiment@production: 90 % 1, 10 % 2\n' });
    // "user-1" is among the tenth of the keys that get the new version.
    const asked = ['predict', 'sentiment@production', 'Happy coding !!!'];
    expect((await home.json(asked)).value).toMatchObject({ version: 1 });
    expect((await home.json([...asked, '--key', 'user-1'])).value).toMatchObject({ version: 2 });
    await home.run(['alias', 'split', 'sentiment@production', '--shadow', '2']);
    const back = await home.run(['rollback', 'sentiment@production']);
    expect(back).toMatchObject({ code: 0, stdout: 'sentiment@production points at version 1 alone\n' });
    const { stdout } = await home.run(['history', 'sentiment@production']);
    const [head, ...rows] = stdout.trimEnd().split('\n');
    expect(head).toMatch(/WHEN \(UTC\) +WHAT +BY +WHY +GATES/);
    expect(rows).toEqual([
      expect.stringContaining('@production: 1 -> 1, rollback'),
      expect.stringContaining('@production: shadowed by 2'),
      expect.stringMatching(/@production: 90 % 1, 10 % 2 .*try it/),
      expect.stringContaining('@production: (none) -> 1'),
    ]);
  });

  test('tells who was faster, and what is wrong', async () => {
    const lost = await failure(['promote', 'sentiment:2', '--to', 'production', '--expect', '2']);
    expect(lost).toMatchObject({ code: 4, error: { code: 'ALIAS_CONFLICT' } });
    expect(lost.error.message).toMatch(/moved by .+ at 20/);
    const cases: readonly (readonly [readonly string[], number, string])[] = [
      [['promote', 'sentiment:9', '--to', 'production'], 3, 'VERSION_NOT_FOUND'],
      [['rollback', 'sentiment@production'], 3, 'VERSION_NOT_FOUND'],
      [['alias', 'split', 'sentiment@production', '1=90', '2=20'], 2, 'INVALID_INPUT'],
      [['alias', 'split', 'sentiment@production', '1=90', '2'], 2, 'INVALID_INPUT'],
      [['alias', 'gate', 'set', 'sentiment@production'], 2, 'INVALID_INPUT'],
      [['alias', 'gate', 'set', 'sentiment@production', '--max-drop', 'x'], 2, 'INVALID_INPUT'],
      [['alias', 'guard', 'sentiment@production', '--for', '10'], 2, 'INVALID_INPUT'],
    ];
    for (const [args, exit, name] of cases) {
      const { code, error } = await failure(args);
      expect({ args, code, name: error.code }).toEqual({ args, code: exit, name });
    }
    expect(await home.json(['alias', 'list'])).toMatchObject({ value: [{ version: 1, revision: 1 }] });
  });
});
