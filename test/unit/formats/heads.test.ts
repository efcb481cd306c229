import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDirectoryFiles, planSession } from '../../../src/formats/index.js';
import { largestGap, numbers, openSession, runBatch, type GoldenRow } from './session.js';

const HEADS = join(import.meta.dirname, '../../fixtures/archs/heads');
const OUTPUTS = ['logits', 'start_logits', 'end_logits', 'last_hidden_state', 'pooler_output'] as const;
type Row = GoldenRow & Partial<Record<(typeof OUTPUTS)[number], readonly number[]>>;

test.each(readdirSync(HEADS))('%s answers as the reference, alone and in a padded batch', async (name) => {
  const folder = join(HEADS, name);
  const plan = await planSession(openDirectoryFiles(folder, ['config.json', 'model.safetensors']));
  const session = await openSession(plan);
  const rows = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Row[];
  const outputs = OUTPUTS.filter((output) => rows[0]?.[output] !== undefined);
  const longest = Math.max(...rows.map(({ input_ids }) => input_ids.length));
  const { pad_token_id: padId } = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as {
    pad_token_id: number;
  };
  const batch = await runBatch(session, rows, padId);
  expect(plan.outputs.map((output) => output.name)).toEqual(outputs);
  const ofTokens = new Set(plan.outputs.filter(({ dims }) => dims[1] === -1).map((output) => output.name));
  for (const [index, row] of rows.entries()) {
    const alone = await runBatch(session, [row], padId);
    for (const output of outputs) {
      const wanted = row[output] ?? [];
      expect(largestGap(numbers(alone, output), wanted), `${output} alone`).toBeLessThan(1e-4);
      // Outputs of tokens have as many numbers for each token of the padding.
      const each = ofTokens.has(output) ? (wanted.length / row.input_ids.length) * longest : wanted.length;
      const found = numbers(batch, output)
        .slice(index * each)
        .slice(0, wanted.length);
      expect(largestGap(found, wanted), `${output} in a batch`).toBeLessThan(1e-4);
    }
  }
  await session.release();
  expect(rows).toHaveLength(3);
  expect(outputs.length).toBeGreaterThan(0);
});
