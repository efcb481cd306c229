import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { SessionPlan } from '../../../src/formats/index.js';
import type { WordRows } from '../../../src/runners/onnx/word-rows.js';

/** One row of a golden file. */
export interface GoldenRow {
  readonly input_ids: readonly number[];
  readonly token_type_ids?: readonly number[];
  readonly logits: readonly number[];
}

export function goldenRows(file: string): GoldenRow[] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as GoldenRow);
}

/** Opens a session as the runners do: the weights mapped, nothing pre-packed. */
export async function openSession(plan: SessionPlan): Promise<InferenceSession> {
  const session: Record<string, string> = { disable_prepacking: '1', 'intra_op.allow_spinning': '0' };
  if (plan.externalDataFolder !== undefined) {
    session['model_external_initializers_file_folder_path'] = `${plan.externalDataFolder}/`;
  }
  return InferenceSession.create(plan.graph, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: { session },
  });
}

/**
 * Runs rows as one batch, padded to the longest with `padId`, and with `filling` in the mask.
 *
 * @param words looks words up for a graph that leaves it to others
 */
export async function runBatch(
  session: InferenceSession,
  rows: readonly GoldenRow[],
  padId: number,
  filling = 0,
  words?: WordRows,
) {
  const length = Math.max(...rows.map(({ input_ids }) => input_ids.length));
  const int64 = (valueAt: (row: GoldenRow, index: number) => number): Tensor => {
    const values = rows.flatMap((row) => Array.from({ length }, (_, index) => BigInt(valueAt(row, index))));
    return new Tensor('int64', BigInt64Array.from(values), [rows.length, length]);
  };
  const feeds: Record<string, Tensor> = {
    input_ids: int64((row, index) => row.input_ids[index] ?? padId),
    attention_mask: int64((row, index) => (index < row.input_ids.length ? 1 : filling)),
    token_type_ids: int64((row, index) => row.token_type_ids?.[index] ?? 0),
  };
  const all = words?.addTo(feeds) ?? feeds;
  return session.run(Object.fromEntries(session.inputNames.map((name) => [name, all[name] as Tensor])));
}

/** The largest difference between two lists of numbers. */
export function largestGap(found: readonly number[], expected: readonly number[]): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  return found.reduce((gap, value, index) => Math.max(gap, Math.abs(value - (expected[index] ?? NaN))), 0);
}

/** The numbers of one float output. */
export function numbers(results: InferenceSession.OnnxValueMapType, name: string): number[] {
  const tensor = results[name];
  if (tensor === undefined) throw new Error(`The session has no output ${name}`);
  return Array.from(tensor.data as Float32Array);
}
