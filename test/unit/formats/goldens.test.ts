import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDirectoryFiles, planSession } from '../../../src/formats/index.js';
import { goldenRows, largestGap, numbers, openSession, runBatch } from './session.js';

const FIXTURES = join(import.meta.dirname, '../../fixtures');
const ARCHS = [
  'albert',
  'bert',
  'camembert',
  'deberta-v2',
  'distilbert',
  'electra',
  'modernbert',
  'mpnet',
  'roberta',
  'xlm-roberta',
].map((name) => `archs/${name}`);
const SENTIMENT = ['v1', 'v2', 'v3-head', 'v4-bad'].map((name) => `sentiment/${name}`);

test.each([...ARCHS, ...SENTIMENT])('%s answers as the reference, alone and in padded batches', async (name) => {
  const directory = join(FIXTURES, name);
  const files = openDirectoryFiles(directory, readdirSync(directory));
  const plan = await planSession(files);
  const session = await openSession(plan);
  const rows = goldenRows(join(directory, 'golden.jsonl'));
  const { pad_token_id: padId } = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as {
    pad_token_id: number;
  };
  let gap = 0;
  const alone: number[] = [];
  for (const row of rows) {
    const results = await runBatch(session, [row], padId);
    alone.push(...numbers(results, 'logits'));
    gap = Math.max(gap, largestGap(numbers(results, 'logits'), row.logits));
  }
  const results = await runBatch(session, rows, padId);
  gap = Math.max(
    gap,
    largestGap(
      numbers(results, 'logits'),
      rows.flatMap((row) => row.logits),
    ),
  );
  const filled = await runBatch(session, rows, padId, plan.filling);
  await session.release();
  expect(plan.filling).toBe(-1);
  expect(rows.length).toBeGreaterThan(40);
  expect(gap).toBeLessThan(1e-4);
  // What else is in a batch, and its padding, change no bit of an answer.
  expect(largestGap(numbers(results, 'logits'), alone)).toBe(0);
  // Nor does it where the padding is not computed at all.
  expect(largestGap(numbers(filled, 'logits'), alone)).toBe(0);
});
