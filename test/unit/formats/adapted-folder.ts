import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { VersionFiles } from '../../../src/core/index.js';
import { adaptedConfig } from '../../../src/formats/adapter/inspect.js';
import { planSession } from '../../../src/formats/index.js';
import { memoryFiles } from './memory-files.js';
import { largestGap, numbers, openSession, runBatch, type GoldenRow } from './session.js';

const FIXTURES = join(import.meta.dirname, '../../fixtures');
const OUTPUTS = ['logits', 'start_logits', 'end_logits', 'last_hidden_state'] as const;
type Row = GoldenRow & Partial<Record<(typeof OUTPUTS)[number], readonly number[]>>;

/** The files of a folder by name. */
export function contentsOf(folder: string): Record<string, Buffer> {
  const names = readdirSync(folder).filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))]));
}

/** The files of an adapter and its base (which `base.txt` names), as publishing puts them together. */
export async function adaptedFiles(
  folder: string,
  changes: Readonly<Record<string, Buffer>> = {},
): Promise<VersionFiles> {
  const base = readFileSync(join(folder, 'base.txt'), 'utf8').trim();
  const contents = { ...contentsOf(join(FIXTURES, base)), ...contentsOf(folder), ...changes };
  const config = await adaptedConfig(memoryFiles(contents));
  return memoryFiles(
    config === undefined ? contents : { ...contents, 'config.json': Buffer.from(JSON.stringify(config)) },
  );
}

/** How far an adapter's answers are from those of the model that peft merged. */
export interface ComparedAdapter {
  readonly rows: number;
  readonly outputs: number;
  /** Largest difference of any number, each sequence alone and all in one padded batch. */
  readonly alone: number;
  readonly inBatch: number;
}

/** Compares an adapter's answers over its base with its `golden.json`. */
export async function compareAdapter(folder: string): Promise<ComparedAdapter> {
  const rows = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Row[];
  const files = await adaptedFiles(folder);
  const { pad_token_id: padId = 0 } = JSON.parse((await files.read('config.json')).toString()) as {
    readonly pad_token_id?: number;
  };
  const plan = await planSession(files);
  const session = await openSession(plan);
  const outputs = OUTPUTS.filter((output) => rows[0]?.[output] !== undefined);
  const longest = Math.max(...rows.map(({ input_ids }) => input_ids.length));
  const batch = await runBatch(session, rows, padId, plan.filling);
  const ofTokens = new Set(plan.outputs.filter(({ dims }) => dims[1] === -1).map((output) => output.name));
  let [alone, inBatch] = [0, 0];
  for (const [index, row] of rows.entries()) {
    const single = await runBatch(session, [row], padId);
    for (const output of outputs) {
      const wanted = row[output] ?? [];
      alone = Math.max(alone, largestGap(numbers(single, output), wanted));
      // Outputs of tokens have as many numbers for each token of the padding.
      const each = ofTokens.has(output) ? (wanted.length / row.input_ids.length) * longest : wanted.length;
      const found = numbers(batch, output).slice(index * each, index * each + wanted.length);
      inBatch = Math.max(inBatch, largestGap(found, wanted));
    }
  }
  await session.release();
  return { rows: rows.length, outputs: outputs.length, alone, inBatch };
}
