import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VersionFiles } from '../../../src/core/index.js';
import { openDirectoryFiles, planSession } from '../../../src/formats/index.js';
import { largestGap, numbers, openSession, runBatch, type GoldenRow } from './session.js';

const OUTPUTS = ['logits', 'start_logits', 'end_logits', 'last_hidden_state', 'pooler_output'] as const;
type Row = GoldenRow & Partial<Record<(typeof OUTPUTS)[number], readonly number[]>>;

/** How far a checkpoint's answers are from its golden ones. */
export interface Compared {
  /** Sequences that were compared. */
  readonly rows: number;
  /** Outputs of the graph, and those that the golden file has. */
  readonly given: readonly string[];
  readonly expected: readonly string[];
  /** Largest difference of any number, each sequence alone and all in one padded batch. */
  readonly alone: number;
  readonly inBatch: number;
}

/** Compares the answers of a folder's checkpoint with its `golden.json`. */
export function compareFolder(folder: string): Promise<Compared> {
  return compareFiles(openDirectoryFiles(folder, ['config.json', 'model.safetensors']), folder);
}

/** Compares the answers of a checkpoint with the `golden.json` of a folder. */
export async function compareFiles(files: VersionFiles, folder: string): Promise<Compared> {
  const plan = await planSession(files);
  const session = await openSession(plan);
  const rows = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Row[];
  const expected = OUTPUTS.filter((output) => rows[0]?.[output] !== undefined);
  const longest = Math.max(...rows.map(({ input_ids }) => input_ids.length));
  const config = JSON.parse((await files.read('config.json')).toString()) as { readonly pad_token_id?: number };
  const padId = config.pad_token_id ?? 0;
  const batch = await runBatch(session, rows, padId, plan.filling);
  const ofTokens = new Set(plan.outputs.filter(({ dims }) => dims[1] === -1).map((output) => output.name));
  let [alone, inBatch] = [0, 0];
  for (const [index, row] of rows.entries()) {
    const single = await runBatch(session, [row], padId);
    for (const output of expected) {
      const wanted = row[output] ?? [];
      alone = Math.max(alone, largestGap(numbers(single, output), wanted));
      // Outputs of tokens have as many numbers for each token of the padding.
      const each = ofTokens.has(output) ? (wanted.length / row.input_ids.length) * longest : wanted.length;
      const found = numbers(batch, output).slice(index * each, index * each + wanted.length);
      inBatch = Math.max(inBatch, largestGap(found, wanted));
    }
  }
  await session.release();
  return { rows: rows.length, given: plan.outputs.map(({ name }) => name), expected, alone, inBatch };
}
