import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cliHome, fixture, type CliHome, type ErrorDocument, type JsonRan } from './cli-harness.js';

interface PushedDocument {
  readonly record: {
    readonly model: string;
    readonly version: number;
    readonly digest: string;
    readonly message?: string;
  };
  readonly created: boolean;
  readonly sentBytes: number;
  readonly reusedBytes: number;
  readonly totalBytes: number;
  readonly warnings: readonly string[];
}

const V2 = fixture('sentiment/v2');
let home: CliHome;

beforeEach(() => {
  home = cliHome();
});

afterEach(() => home[Symbol.dispose]());

const pushV2 = () => home.run(['push', V2, '--name', 'sentiment']);

describe('push', () => {
  test('says what was made, and the second time that nothing was sent', async () => {
    const first = await pushV2();
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^sentiment:1 published: 5\.00 MB/) });
    const second = await pushV2();
    expect(second).toMatchObject({
      code: 0,
      stdout: 'sentiment:1 is the same already: nothing sent, no new version made (--force makes one)\n',
    });
    const forced = await home.run(['push', V2, '--name', 'sentiment', '--force']);
    expect(forced).toMatchObject({ code: 0, stdout: expect.stringMatching(/^sentiment:2 published.* 0 B sent/) });
  });

  test('sends only the head that differs, and tells it as one JSON document', async () => {
    const first = (await home.json(['push', V2, '--name', 'sentiment', '-m', 'first'])) as JsonRan<PushedDocument>;
    expect(first.code).toBe(0);
    expect(first.value).toMatchObject({
      record: { model: 'sentiment', version: 1, message: 'first', digest: expect.stringMatching(/^sha256:/) },
      created: true,
      reusedBytes: 0,
      warnings: [],
    });
    expect(first.value.sentBytes).toBe(first.value.totalBytes);
    const { value } = (await home.json([
      'push',
      fixture('sentiment/v3-head'),
      '--name',
      'sentiment',
    ])) as JsonRan<PushedDocument>;
    expect(value.record.version).toBe(2);
    expect(value.sentBytes + value.reusedBytes).toBe(value.totalBytes);
    expect(value.sentBytes).toBeLessThan(150_000);
    const again = (await home.json([
      'push',
      fixture('sentiment/v3-head'),
      '--name',
      'sentiment',
    ])) as JsonRan<PushedDocument>;
    expect(again.value).toMatchObject({ created: false, sentBytes: 0, record: { version: 2 } });
  });
});

describe('list and show', () => {
  test('an empty store says what to do next', async () => {
    const { code, stdout } = await home.run(['list']);
    expect(code).toBe(0);
    expect(stdout).toContain('modelkeep push');
    expect(await home.json(['list'])).toEqual({ code: 0, value: [] });
  });

  test('show versions with their aliases', async () => {
    await pushV2();
    await home.run(['push', fixture('iris/mymodel_v2_nozipmap.onnx'), '--name', 'acme/iris']);
    await home.run(['alias', 'set', 'sentiment:1', 'production']);
    const { stdout } = await home.run(['list']);
    const [head, ...rows] = stdout.trimEnd().split('\n');
    expect(head).toMatch(/^VERSION +ALIASES +STATE +FORMAT/);
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatch(/^acme\/iris:1 +ready +onnx/);
    expect(rows[1]).toMatch(/^sentiment:1 +@production +ready +hf/);
    const { value } = (await home.json(['list', 'sentiment'])) as JsonRan<{ model: string; aliases: string[] }[]>;
    expect(value).toMatchObject([{ model: 'sentiment', version: 1, aliases: ['production'], state: 'ready' }]);
  });

  test('show tells files and segments', async () => {
    await pushV2();
    const { stdout } = await home.run(['show', 'sentiment']);
    expect(stdout).toMatch(/^version +sentiment:1$/m);
    expect(stdout).toMatch(/^digest +sha256:[0-9a-f]{64}$/m);
    expect(stdout).toMatch(/^model\.safetensors +4\.80 MB +\d+$/m);
    const { value } = (await home.json(['show', 'sentiment:1'])) as JsonRan<{
      record: object;
      manifest: { files: { path: string }[] };
      aliases: unknown[];
    }>;
    expect(value.manifest.files.map(({ path }) => path)).toEqual(readdirSync(V2).toSorted());
    expect(value.record).toMatchObject({ model: 'sentiment', version: 1, format: 'hf' });
    expect(value.aliases).toEqual([]);
  });
});

describe('pull', () => {
  test('gives back the same bytes', async () => {
    await pushV2();
    const target = join(home.root, 'pulled');
    expect((await home.run(['pull', 'sentiment', target])).code).toBe(0);
    expect(readdirSync(target).toSorted()).toEqual(readdirSync(V2).toSorted());
    for (const name of readdirSync(V2)) {
      expect([name, readFileSync(join(target, name)).equals(readFileSync(join(V2, name)))]).toEqual([name, true]);
    }
  });

  test('spares a directory that is not empty, unless told otherwise', async () => {
    await pushV2();
    expect((await home.run(['pull', 'sentiment', 'here'])).code).toBe(0);
    const again = (await home.json(['pull', 'sentiment', 'here'])) as JsonRan<ErrorDocument>;
    expect(again).toMatchObject({ code: 2, value: { error: { code: 'INVALID_INPUT' } } });
    expect(again.value.error.message).toContain('--force');
    const forced = await home.json(['pull', 'sentiment', 'here', '--force']);
    expect(forced).toMatchObject({ code: 0, value: { bytes: 5_001_174, record: { version: 1 } } });
  });
});

describe('alias', () => {
  test('set moves, list shows, rm removes', async () => {
    await pushV2();
    await home.run(['push', fixture('sentiment/v1'), '--name', 'sentiment']);
    expect(await home.run(['alias', 'list'])).toMatchObject({ code: 0, stdout: expect.stringContaining('alias set') });
    const set = await home.run(['alias', 'set', 'sentiment:1', 'production', '-m', 'first']);
    expect(set).toMatchObject({ code: 0, stdout: 'sentiment@production: (none) -> 1\n' });
    const moved = await home.run(['alias', 'set', 'sentiment', 'production', '--expect', '1']);
    expect(moved).toMatchObject({ code: 0, stdout: 'sentiment@production: 1 -> 2\n' });
    const same = await home.run(['alias', 'set', 'sentiment:2', 'production']);
    expect(same).toMatchObject({ code: 0, stdout: 'sentiment@production points at version 2 alone\n' });
    expect(await home.json(['alias', 'list', 'sentiment'])).toEqual({
      code: 0,
      value: [
        {
          model: 'sentiment',
          alias: 'production',
          version: 2,
          revision: 2,
          moved: { at: expect.any(String), by: expect.any(String), from: 1, action: 'set' },
        },
      ],
    });
    expect((await home.run(['alias', 'rm', 'sentiment@production'])).code).toBe(0);
    expect(await home.json(['alias', 'list'])).toEqual({ code: 0, value: [] });
  });

  test('refuses with the code of what is wrong', async () => {
    await pushV2();
    await home.run(['alias', 'set', 'sentiment:1', 'production']);
    const cases: readonly (readonly [readonly string[], number, string])[] = [
      [['alias', 'set', 'sentiment', 'production', '--expect', '7'], 4, 'ALIAS_CONFLICT'],
      [['alias', 'set', 'sentiment', 'production', '--expect', 'none'], 4, 'ALIAS_CONFLICT'],
      [['alias', 'set', 'sentiment', 'production', '--expect', 'x'], 2, 'INVALID_INPUT'],
      [['alias', 'set', 'sentiment:9', 'production'], 3, 'VERSION_NOT_FOUND'],
      [['alias', 'set', 'nope', 'production'], 3, 'MODEL_NOT_FOUND'],
      [['alias', 'set', 'sentiment', 'latest'], 2, 'INVALID_REFERENCE'],
      [['alias', 'set', 'sentiment', 'No Way'], 2, 'INVALID_REFERENCE'],
      [['alias', 'rm', 'sentiment'], 2, 'INVALID_REFERENCE'],
      [['alias', 'rm', 'sentiment@nope'], 3, 'ALIAS_NOT_FOUND'],
      [['show', 'sentiment@nope'], 3, 'ALIAS_NOT_FOUND'],
      [['pull', 'sentiment:9', 'x'], 3, 'VERSION_NOT_FOUND'],
      [['list', 'Not a name'], 2, 'INVALID_REFERENCE'],
    ];
    for (const [args, code, name] of cases) {
      const { code: exit, value } = (await home.json(args)) as JsonRan<ErrorDocument>;
      expect({ args, exit, name: value.error.code }).toEqual({ args, exit: code, name });
      expect(value.error.message).toMatch(/\w/);
    }
    expect(await home.json(['alias', 'list'])).toMatchObject({ value: [{ version: 1, revision: 1 }] });
  });
});
