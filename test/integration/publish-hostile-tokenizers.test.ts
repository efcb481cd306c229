import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openStore, push } from '../../src/app/index.js';
import type { VersionStore } from '../../src/core/index.js';

let root: string;
let store: VersionStore;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'modelkeep-hostile-'));
  cpSync('test/fixtures/sentiment/v2', join(root, 'model'), { recursive: true });
  store = await openStore(`file://${join(root, 'store')}`);
});
afterEach(async () => {
  await store.close();
  rmSync(root, { recursive: true, force: true });
});

/** Gives the tokenizer a pre-tokenizer that splits by a pattern. */
function splitBy(pattern: string): void {
  const path = join(root, 'model/tokenizer.json');
  const json = JSON.parse(readFileSync(path, 'utf8')) as object;
  const split = { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
  writeFileSync(path, JSON.stringify({ ...json, pre_tokenizer: split }));
}

const publish = (more: object = {}) => push(store, join(root, 'model'), { name: 'hostile', ...more });

test('a pattern on which the tokenizer ends its process is refused by an example, and this process goes on', async () => {
  splitBy('(a+)+$');
  // Plain texts are tokenized well with it: only a text that makes it try every way shows what it is.
  expect((await publish()).record.version).toBe(1);
  const golden = join(root, 'golden.jsonl');
  writeFileSync(golden, `${JSON.stringify({ text: `${'a'.repeat(60)}b`, label: 'POSITIVE', score: 1 })}\n`);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  await expect(publish({ golden, force: true })).rejects.toMatchObject({
    code: 'INVALID_ARTIFACT',
    message: expect.stringMatching(/example 1.*tokenizer\.json/s),
  });
  delay.disable();
  // Tokenizing went on elsewhere: nothing here waited for it.
  expect(delay.max / 1e6).toBeLessThan(1_000);
  expect(await store.listVersions({ model: 'hostile' })).toHaveLength(1);
});

test('a pattern that fails on any text is refused, with the next step', async () => {
  splitBy('(a+)+$');
  const path = join(root, 'model/tokenizer.json');
  const json = JSON.parse(readFileSync(path, 'utf8')) as object;
  // What the pattern is given is one text, whatever is asked.
  const normalizer = { type: 'Replace', pattern: { Regex: '^.*$' }, content: `${'a'.repeat(60)}b` };
  writeFileSync(path, JSON.stringify({ ...json, normalizer }));
  await expect(publish()).rejects.toMatchObject({
    code: 'INVALID_ARTIFACT',
    message: expect.stringContaining('pre_tokenizer'),
  });
  expect(await store.listVersions()).toEqual([]);
});

test('a pattern that is none is refused with the words of the library', async () => {
  splitBy('(unclosed');
  await expect(publish()).rejects.toMatchObject({
    code: 'INVALID_ARTIFACT',
    message: expect.stringContaining('tokenizer.json'),
  });
});

test('giving up ends the process that checks', async () => {
  const controller = new AbortController();
  const publishing = publish({ signal: controller.signal });
  controller.abort();
  await expect(publishing).rejects.toMatchObject({ code: 'CANCELLED' });
});
