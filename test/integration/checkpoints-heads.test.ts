import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openModelkeep, openStore, push, type Modelkeep, type VersionStore } from '../../src/app/index.js';
import type { Tensor } from '../../src/core/index.js';
import { largestGap } from '../unit/formats/session.js';
import { golden } from '../unit/tasks/directory-files.js';

const HEADS = readdirSync('test/fixtures/archs/heads');
const OUTPUTS = ['logits', 'start_logits', 'end_logits', 'last_hidden_state', 'pooler_output'] as const;
type Row = { readonly input_ids: readonly number[]; readonly token_type_ids?: readonly number[] } & Partial<
  Record<(typeof OUTPUTS)[number], readonly number[]>
>;

let root: string;
let store: VersionStore;
let keep: Modelkeep;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'modelkeep-heads-'));
  store = await openStore(join(root, 'store'));
  keep = await openModelkeep({ store, cacheDir: join(root, 'cache'), runners: 2, threads: 1 });
});
afterAll(async () => {
  await keep.close();
  await store.close();
  rmSync(root, { recursive: true, force: true });
});

function int64(ids: readonly number[]): Tensor {
  return { type: 'int64', data: BigInt64Array.from(ids, BigInt), dims: [1, ids.length] };
}

function tensorsOf({ input_ids, token_type_ids }: Row, names: readonly string[]): Record<string, Tensor> {
  const ones = input_ids.map(() => 1);
  const values = { input_ids, attention_mask: ones, token_type_ids: token_type_ids ?? input_ids.map(() => 0) };
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, ids]) => (names.includes(name) ? [[name, int64(ids)]] : [])),
  );
}

test.each(HEADS)('%s is published and answers with its golden numbers', async (name) => {
  const rows = golden<readonly Row[]>(`archs/heads/${name}/golden.json`);
  const { warnings } = await push(store, `test/fixtures/archs/heads/${name}`, { name });
  const model = await keep.load(name);
  const { inputs, outputs } = await keep.parts.service.describe(name, {});
  const expected = OUTPUTS.filter((output) => rows[0]?.[output] !== undefined);
  expect(outputs.map((output) => output.name)).toEqual(expected);
  const names = inputs.map((input) => input.name);
  const gaps = await Promise.all(
    rows.map(async (row) => {
      const { tensors } = await model.infer({ tensors: tensorsOf(row, names) });
      return expected.map((output) => largestGap(Array.from(tensors[output]?.data as Float32Array), row[output] ?? []));
    }),
  );
  expect({ warnings, rows: rows.length > 0 }).toEqual({ warnings: [], rows: true });
  expect(Math.max(...gaps.flat())).toBeLessThan(1e-4);
});

test('there is every family with each head that transformers has for it', () => {
  expect(HEADS.length).toBeGreaterThanOrEqual(54);
});
