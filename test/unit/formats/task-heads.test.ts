import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDirectoryFiles, planSession } from '../../../src/formats/index.js';
import { largestGap, numbers, openSession, runBatch, type GoldenRow } from './session.js';

const TASKS = join(import.meta.dirname, '../../fixtures/tasks');

function golden(task: string): unknown {
  return JSON.parse(readFileSync(join(TASKS, task, 'golden.json'), 'utf8')) as unknown;
}

async function open(task: string) {
  const directory = join(TASKS, task);
  const plan = await planSession(
    openDirectoryFiles(
      directory,
      readdirSync(directory).filter((n) => n.includes('.')),
    ),
  );
  return { plan, session: await openSession(plan) };
}

test('token classification', async () => {
  const { plan, session } = await open('ner');
  expect(plan.outputs).toEqual([{ name: 'logits', type: 'float32', dims: [-1, -1, 7] }]);
  const { raw } = golden('ner') as { raw: { input_ids: number[]; logits: number[][] }[] };
  for (const { input_ids, logits } of raw) {
    const results = await runBatch(session, [{ input_ids, logits: [] }], 0);
    expect(largestGap(numbers(results, 'logits'), logits.flat())).toBeLessThan(1e-4);
  }
  expect(raw.length).toBeGreaterThan(0);
  await session.release();
});

test('question answering', async () => {
  const { session } = await open('qa');
  type Row = GoldenRow & { start_logits: number[]; end_logits: number[] };
  const { raw } = golden('qa') as { raw: Row[] };
  for (const row of raw) {
    const results = await runBatch(session, [row], 0);
    expect(largestGap(numbers(results, 'start_logits'), row.start_logits)).toBeLessThan(1e-4);
    expect(largestGap(numbers(results, 'end_logits'), row.end_logits)).toBeLessThan(1e-4);
  }
  expect(raw.length).toBeGreaterThan(0);
  await session.release();
});

test('entailment pairs', async () => {
  const { session } = await open('zero-shot');
  const { pairs } = golden('zero-shot') as { pairs: GoldenRow[] };
  const results = await runBatch(session, pairs, 0);
  await session.release();
  const expected = pairs.flatMap(({ logits }) => logits);
  expect(largestGap(numbers(results, 'logits'), expected)).toBeLessThan(1e-4);
});

test('the plain encoder', async () => {
  const { plan, session } = await open('embeddings');
  expect(plan.outputs.map(({ name }) => name)).toEqual(['last_hidden_state', 'pooler_output']);
  type Row = { input_ids: number[]; mean_pooled: number[] };
  const { sentences } = golden('embeddings') as { sentences: Row[] };
  for (const { input_ids, mean_pooled } of sentences) {
    const states = numbers(await runBatch(session, [{ input_ids, logits: [] }], 0), 'last_hidden_state');
    const means = mean_pooled.map((_, feature) => {
      const sum = input_ids.reduce((total, _id, token) => total + (states[token * 64 + feature] ?? NaN), 0);
      return sum / input_ids.length;
    });
    expect(largestGap(means, mean_pooled)).toBeLessThan(1e-4);
  }
  expect(sentences.length).toBeGreaterThan(0);
  await session.release();
});

test('the masked language model, whose decoder is the table of words', async () => {
  const { session } = await open('fill-mask');
  const { cases } = golden('fill-mask') as { cases: { text: string; output: { score: number; token: number }[] }[] };
  const vocabulary = readFileSync(join(TASKS, 'fill-mask/vocab.txt'), 'utf8').split('\n');
  const words = ['[CLS]', 'the', 'movie', 'was', '[MASK]', '.', '[SEP]'];
  const input_ids = words.map((word) => vocabulary.indexOf(word));
  expect(cases[0]?.text).toBe('The movie was [MASK].');
  expect(input_ids).not.toContain(-1);
  const logits = numbers(await runBatch(session, [{ input_ids, logits: [] }], 0), 'logits');
  await session.release();
  const size = logits.length / words.length;
  const atMask = logits.slice(4 * size, 5 * size).map((logit) => Math.exp(logit));
  const sum = atMask.reduce((total, value) => total + value, 0);
  const expected = cases[0]?.output ?? [];
  const found = expected.map(({ token }) => (atMask[token] ?? NaN) / sum);
  expect(
    largestGap(
      found,
      expected.map(({ score }) => score),
    ),
  ).toBeLessThan(1e-4);
  expect(expected).toHaveLength(5);
});
