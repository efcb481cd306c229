import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EVALUATION_FILE, GOLDEN_FILE, MAX_GOLDEN_BYTES, type VersionStore } from '../../../src/core/index.js';
import { findEvaluation, pull, push, readEvaluation, readGolden } from '../../../src/registry/index.js';
import { openMemoryStore } from '../../../src/stores/memory/open.js';

const V2 = resolve('test/fixtures/sentiment/v2');
const GOLDEN = join(V2, 'golden.jsonl');
const EVALUATION = resolve('test/fixtures/sentiment/eval.jsonl');
let store: VersionStore;
let folder: string;

beforeEach(async () => {
  store = await openMemoryStore();
  folder = mkdtempSync(join(tmpdir(), 'modelkeep-evidence-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, ...rows: readonly unknown[]): string => {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n'));
  return path;
};

describe('golden examples and an evaluation set', () => {
  it('are part of the version, and come back with it, into the next one too', async () => {
    const { record } = await push(store, V2, { name: 'm', golden: GOLDEN, evaluation: EVALUATION });
    expect(await readGolden(store, record)).toHaveLength(68);
    expect((await readEvaluation(store, record))?.rows).toHaveLength(500);
    const { files } = await store.readManifest(record);
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining([GOLDEN_FILE, EVALUATION_FILE]));
    const target = join(folder, 'pulled');
    await pull(store, { model: 'm', selector: { kind: 'latest' } }, target);
    expect(await push(store, target, { name: 'm' })).toMatchObject({ created: false, record: { version: 1 } });
  });

  it('that are of another task, damaged or missing are refused by line and field, and nothing is published', async () => {
    const reader = { question: 'Who?', context: 'It was Ada.', output: { answer: 'Ada', score: 1, start: 7, end: 10 } };
    const many = Array.from({ length: 1_001 }, () => ({ text: 'fine', label: 'POSITIVE' }));
    const cases: readonly (readonly [object, RegExp])[] = [
      [{ golden: file('a', { text: 'fine', label: 'POSITIVE' }, reader) }, /line 2: .*text/],
      [{ golden: file('b', { inputs: 'fine', output: reader.output }) }, /line 1: .*output/],
      [{ golden: file('c', { inputs: 'fine' }) }, /line 1: .*output/],
      [{ golden: file('d', { inputs: 7, output: [{ label: 'POSITIVE', score: 1 }] }) }, /line 1: /],
      [{ golden: file('e', { text: 'fine', label: 'POSITIVE', parameters: { top_k: 'x' } }) }, /line 1: .*top_k/],
      [{ golden: file('f', '{"text": "cut of') }, /Line 1/],
      [{ golden: file('g', '[1]') }, /Line 1/],
      [{ golden: file('h', ...many) }, /1001 examples/],
      [{ golden: file('i') }, /empty/],
      [{ golden: join(folder, 'nowhere') }, /does not exist/],
      [{ golden: folder }, /no file/],
      [{ evaluation: file('j', { text: 'fine', label: 'POSITIVE' }, reader) }, /line 2: .*text/],
      [{ evaluation: file('k', { text: 'fine' }) }, /line 1: .*label/],
    ];
    for (const [options, message] of cases) {
      const pushing = push(store, V2, { name: 'm', ...options });
      await expect(pushing).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
      await expect(pushing).rejects.toThrow(message);
    }
    expect(await store.listVersions()).toEqual([]);
  });

  it('that are too large are refused before they are read', async () => {
    const huge = file('huge', '');
    truncateSync(huge, MAX_GOLDEN_BYTES + 1);
    await expect(push(store, V2, { name: 'm', golden: huge })).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
  });

  it('are not for models without a task', async () => {
    const onnx = resolve('test/fixtures/iris/mymodel_v2_nozipmap.onnx');
    const pushing = push(store, onnx, { name: 'iris', golden: file('a', { inputs: 'fine', output: [] }) });
    await expect(pushing).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
  });

  it('are not taken through a link that lies in the folder', async () => {
    const secret = file('secret', { text: 'fine', label: 'POSITIVE' });
    const target = join(folder, 'model');
    await push(store, V2, { name: 'm' });
    await pull(store, { model: 'm', selector: { kind: 'latest' } }, target);
    mkdirSync(join(target, '.modelkeep'));
    symlinkSync(secret, join(target, GOLDEN_FILE));
    await expect(push(store, target, { name: 'm' })).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
  });
});

const row = (text: string): object => ({ text, label: 'POSITIVE' });

describe('the evaluation set that a promotion is measured on', () => {
  it('is that of the version now serving, else the candidate’s, else the newest there is', async () => {
    const publish = async (...rows: readonly object[]) => {
      const evaluation = rows.length === 0 ? {} : { evaluation: file(`${JSON.stringify(rows).length}`, ...rows) };
      return (await push(store, V2, { name: 'm', force: true, ...evaluation })).record;
    };
    const [one, two, three, four] = [
      await publish(row('1')),
      await publish(row('22')),
      await publish(),
      await publish(),
    ];
    expect((await findEvaluation(store, two, one))?.version).toBe(1);
    expect((await findEvaluation(store, two, three))?.version).toBe(2);
    expect((await findEvaluation(store, four, three))?.version).toBe(2);
    expect((await findEvaluation(store, one, undefined))?.rows).toEqual([row('1')]);
  });
});
