import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PushOptions } from '../../src/app/index.js';
import { golden } from '../unit/tasks/directory-files.js';
import { CaseBench, changeJson } from './cases/case-bench.js';

interface StaticGolden {
  readonly texts: readonly string[];
  readonly vectors: readonly (readonly number[])[];
}

const STATIC = resolve('test/fixtures/tasks/static');
const root = mkdtempSync(join(tmpdir(), 'modelkeep-static-'));
let cases: CaseBench;
beforeAll(async () => {
  cases = await CaseBench.open();
});
afterAll(async () => {
  await cases.close();
  rmSync(root, { recursive: true, force: true });
});

function copy(name: string): string {
  const folder = mkdtempSync(join(root, `${name}-`));
  cpSync(join(STATIC, name), folder, { recursive: true });
  rmSync(join(folder, 'golden.json'));
  return folder;
}

function gap(found: unknown, expected: readonly (readonly number[])[]): number {
  const vectors = found as number[][];
  return Math.max(
    ...expected.flatMap((vector, row) => vector.map((x, at) => Math.abs(x - (vectors[row]?.[at] ?? NaN)))),
  );
}

test.each(readdirSync(STATIC))('static embeddings %s give the vectors of their library', async (name) => {
  const { texts, vectors } = golden<StaticGolden>(`tasks/static/${name}/golden.json`);
  const { record, warnings } = await cases.publish(copy(name));
  expect({ task: record.task, format: record.format, warnings }).toEqual({
    task: 'sentence-embeddings',
    format: 'hf',
    warnings: [],
  });
  const model = await cases.keep.load(record.model);
  const together = (await model.predict(texts)) as number[][];
  expect(gap(together, vectors)).toBeLessThan(1e-4);
  const alone = await Promise.all(texts.map((text) => model.predict(text)));
  expect(alone).toEqual(together);
});

test('a folder of static embeddings in a module of its own, or without modules.json, answers the same', async () => {
  const { texts, vectors } = golden<StaticGolden>('tasks/static/words/golden.json');
  const plain = copy('words');
  rmSync(join(plain, 'modules.json'));
  expect(gap(await cases.answer(plain, texts), vectors)).toBeLessThan(1e-4);
  const nested = copy('sentences');
  const inner = join(nested, '0_StaticEmbedding');
  cpSync(nested, join(root, 'nested-copy'), { recursive: true });
  cpSync(join(root, 'nested-copy'), inner, { recursive: true });
  for (const file of ['model.safetensors', 'tokenizer.json']) rmSync(join(nested, file));
  for (const file of ['modules.json', 'config_sentence_transformers.json']) rmSync(join(inner, file));
  changeJson(join(nested, 'modules.json'), (json) => [
    { ...(json as [object])[0], path: '0_StaticEmbedding' },
    ...(json as object[]).slice(1),
  ]);
  const expected = golden<StaticGolden>('tasks/static/sentences/golden.json').vectors;
  expect(gap(await cases.answer(nested, texts), expected)).toBeLessThan(1e-4);
});

test('they are asked for similarity, and with dimensions, but not for vectors of tokens', async () => {
  const { record } = await cases.publish(copy('words'), { task: 'sentence-similarity' });
  const similar = await cases.keep.load(record.model);
  const scores = (await similar.predict({
    source_sentence: 'the newest version',
    sentences: ['the newest version', 'a cat'],
  })) as number[];
  expect(scores[0]).toBeCloseTo(1, 5);
  const short = await cases.answer(copy('words'), 'a cat', {}, { dimensions: 3, normalize: true });
  expect((short as number[]).length).toBe(3);
  const refused = await cases.refusal(copy('words'), { task: 'feature-extraction' });
  expect(refused).toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
});

/** Writes over bytes of the weights' file that a tensor has. */
function overwrite(folder: string, tensor: string, write: (bytes: Buffer, start: number) => void): void {
  const path = join(folder, 'model.safetensors');
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  write(bytes, 8 + length + (header[tensor]?.data_offsets[0] ?? 0));
  writeFileSync(path, bytes);
}

test.each<[string, () => string, Partial<PushOptions>, string]>([
  [
    'a token whose row is beyond the table',
    () => {
      const folder = copy('clusters');
      overwrite(folder, 'mapping', (bytes, start) => void bytes.writeBigInt64LE(20n, start + 8));
      return folder;
    },
    {},
    '"mapping" gives token 1 the row 20, and the table has 20 rows',
  ],
  [
    'a tokenizer with more tokens than rows',
    () => {
      const folder = copy('sentences');
      cpSync(join(STATIC, 'bytes/tokenizer.json'), join(folder, 'tokenizer.json'));
      return folder;
    },
    {},
    '"embedding.weight" of model.safetensors',
  ],
  ['a pooling', () => copy('words'), { pooling: 'cls' }, 'without --pooling'],
  ['another precision', () => copy('words'), { precision: 'int8' }, 'int8'],
  [
    'settings that are no numbers',
    () => {
      const folder = copy('words');
      changeJson(join(folder, 'config.json'), (json) => ({ ...(json as object), max_length: 'long' }));
      return folder;
    },
    {},
    'max_length is "long"',
  ],
  [
    'a StaticEmbedding whose weights are those of something else',
    () => {
      const folder = copy('sentences');
      cpSync(resolve('test/fixtures/tasks/embeddings/model.safetensors'), join(folder, 'model.safetensors'));
      return folder;
    },
    {},
    'begins with a StaticEmbedding',
  ],
])('refused at publish: %s', async (_, make, options, words) => {
  expect((await cases.refusal(make(), options)).message).toContain(words);
});
