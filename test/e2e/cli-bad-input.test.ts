import { cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '../../src/app/index.js';
import { cliHome, fixture, type CliHome, type ErrorDocument, type JsonRan } from './cli-harness.js';
import { onnxWithExternalData } from './onnx-bytes.js';

let home: CliHome;
/** A folder for what one test makes. */
let folder: string;

beforeAll(async () => {
  home = cliHome();
  await home.run(['push', fixture('sentiment/v1'), '--name', 'sentiment']);
});

beforeEach(() => {
  folder = mkdtempSync(join(home.root, 'test-'));
});

afterAll(() => home[Symbol.dispose]());

/** A copy of v2 to be damaged. */
function copyOfV2(): string {
  const directory = join(folder, 'model');
  cpSync(fixture('sentiment/v2'), directory, { recursive: true });
  return directory;
}

/** Pushes what must not be pushed; the store is as before. */
async function refuse(args: readonly string[]) {
  const { code: exit, value } = (await home.json(args)) as JsonRan<ErrorDocument>;
  await using store = await openStore(home.storeUrl);
  const versions = await store.listVersions();
  expect(versions.map(({ model, version }) => `${model}:${version}`)).toEqual(['sentiment:1']);
  return { exit, ...value.error };
}

describe('names', () => {
  test.each([
    ['of 10,000 characters', 'a'.repeat(10_000)],
    ['with a way out', '../../etc/passwd'],
    ['that is absolute', '/etc/passwd'],
    ['in capitals', 'Sentiment'],
    ['that is empty', ''],
    ['with a new line', 'a\nb'],
    ['with a version', 'sentiment:3'],
  ])('%s are INVALID_REFERENCE', async (_what, name) => {
    const { exit, code, message } = await refuse(['push', fixture('sentiment/v2'), '--name', name]);
    expect({ exit, code }).toEqual({ exit: 2, code: 'INVALID_REFERENCE' });
    expect(message.length).toBeLessThan(500);
  });
});

describe('paths', () => {
  test('that are not there are named', async () => {
    const path = join(folder, 'not-there');
    const { exit, code, message } = await refuse(['push', path, '--name', 'sentiment']);
    expect({ exit, code }).toEqual({ exit: 5, code: 'INVALID_ARTIFACT' });
    expect(message).toContain(path);
  });

  test('that hold no model are named', async () => {
    const path = join(folder, 'photos');
    mkdirSync(path);
    writeFileSync(join(path, 'cat.jpg'), 'miaow');
    const { exit, message } = await refuse(['push', path, '--name', 'sentiment']);
    expect(exit).toBe(5);
    expect(message).toContain(path);
  });

  test('that are empty directories are named', async () => {
    const path = join(folder, 'empty');
    mkdirSync(path);
    const { exit, message } = await refuse(['push', path, '--name', 'sentiment']);
    expect(exit).toBe(5);
    expect(message).toContain(path);
  });
});

describe('a directory', () => {
  test('with truncated weights is INVALID_ARTIFACT, and the file is named', async () => {
    const directory = copyOfV2();
    truncateSync(join(directory, 'model.safetensors'), 1_000_000);
    const { exit, code, message } = await refuse(['push', directory, '--name', 'sentiment']);
    expect({ exit, code }).toEqual({ exit: 5, code: 'INVALID_ARTIFACT' });
    expect(message).toContain('model.safetensors');
  });

  test.each([
    ['model.safetensors', 'not safetensors'],
    ['config.json', '{"model_type": '],
    ['config.json', '[]'],
    ['tokenizer.json', '{'],
  ])('with a broken %s is refused, and the file is named', async (name, contents) => {
    const directory = copyOfV2();
    writeFileSync(join(directory, name), contents);
    const { exit, message } = await refuse(['push', directory, '--name', 'sentiment']);
    expect(exit).toBe(5);
    expect(message).toContain(name);
  });

  test('of a family that is not supported is UNSUPPORTED_FORMAT', async () => {
    const directory = copyOfV2();
    const config = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as object;
    writeFileSync(join(directory, 'config.json'), JSON.stringify({ ...config, model_type: 'llama' }));
    const { exit, code, message } = await refuse(['push', directory, '--name', 'sentiment']);
    expect({ exit, code }).toEqual({ exit: 5, code: 'UNSUPPORTED_FORMAT' });
    expect(message).toContain('llama');
  });
});

describe('ONNX with external data', () => {
  test.each(['../outside.bin', '/etc/hostname', 'sub/../../outside.bin'])('at %s is refused', async (location) => {
    const directory = join(folder, 'onnx');
    mkdirSync(directory);
    writeFileSync(join(folder, 'outside.bin'), Buffer.alloc(16));
    writeFileSync(join(directory, 'model.onnx'), onnxWithExternalData(location));
    const { exit, message } = await refuse(['push', directory, '--name', 'sentiment']);
    expect(exit).toBe(5);
    expect(message).toContain(location);
  });

  test('at a link that leaves its folder is refused', async () => {
    const directory = join(folder, 'onnx');
    mkdirSync(directory);
    writeFileSync(join(folder, 'outside.bin'), Buffer.alloc(16));
    symlinkSync(join(folder, 'outside.bin'), join(directory, 'weights.bin'));
    writeFileSync(join(directory, 'model.onnx'), onnxWithExternalData('weights.bin'));
    const { exit, message } = await refuse(['push', directory, '--name', 'sentiment']);
    expect(exit).toBe(5);
    expect(message).toContain('weights.bin');
  });

  test('that is not there is refused, and what is there is published', async () => {
    const directory = join(folder, 'onnx');
    mkdirSync(directory);
    writeFileSync(join(directory, 'model.onnx'), onnxWithExternalData('weights.bin'));
    const { exit, message } = await refuse(['push', directory, '--name', 'sentiment']);
    expect(exit).toBe(5);
    expect(message).toContain('weights.bin');
    writeFileSync(join(directory, 'weights.bin'), Buffer.from(Float32Array.of(1.5).buffer));
    const other = join(folder, 'other');
    const { code, stderr } = await home.run(['push', directory, '--name', 'y', '--store', `file://${other}`]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('error') });
  });
});

test('weights that are no numbers are published with a warning that push tells and show repeats', async () => {
  const directory = join(folder, 'model');
  cpSync(fixture('archs/bert'), directory, { recursive: true });
  const file = join(directory, 'model.safetensors');
  const bytes = readFileSync(file);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, end)) as Record<string, { data_offsets: [number, number] }>;
  bytes.writeFloatLE(Number.NaN, end + (header['classifier.bias']?.data_offsets[0] ?? 0));
  writeFileSync(file, bytes);
  const store = ['--store', `file://${join(folder, 'other')}`];
  const { code, stderr } = await home.run(['push', directory, '--name', 'odd', ...store]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/^warning: .*classifier\.bias/m);
  const { stdout } = await home.run(['show', 'odd', ...store]);
  expect(stdout).toMatch(/^warning +.*classifier\.bias/m);
  const shown = await home.json(['show', 'odd', ...store]);
  expect(shown.value).toMatchObject({
    record: { metadata: { warnings: [expect.stringContaining('classifier.bias')] } },
  });
});

test('a model that cannot be taken says so to people in one line, without a stack', async () => {
  const { code, stdout, stderr } = await home.run(['push', folder, '--name', 'sentiment']);
  expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
  expect(stderr).toMatch(/^error [A-Z_]+: [^\n]+\n$/);
});

test('after all that the next push goes through, and what was there is served on', async () => {
  const next = await home.json(['push', fixture('sentiment/v2'), '--name', 'sentiment']);
  expect(next).toMatchObject({ code: 0, value: { created: true, record: { version: 2 } } });
  expect(await home.json(['predict', 'sentiment:1', 'fine'])).toMatchObject({ code: 0, value: { version: 1 } });
});
