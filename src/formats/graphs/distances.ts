import type { Checkpoint } from './checkpoint.js';

/**
 * A whole number for each pair of tokens, chosen by how far the second stands behind the first.
 *
 * @param positions longest sequence: distances lie within 1 - positions and positions - 1
 * @param numberOf the number for a distance, which is negative where the second token stands before the first
 * @returns int64 [sequence, sequence]
 */
export function byDistance(
  { writer }: Checkpoint,
  name: string,
  positions: number,
  numberOf: (distance: number) => number,
): string {
  const count = 2 * positions - 1;
  const raw = Buffer.alloc(8 * count);
  for (let index = 0; index < count; index++) raw.writeBigInt64LE(BigInt(numberOf(index - positions + 1)), 8 * index);
  const table = writer.inlineTensor(name, 'int64', [count], raw);
  const length = writer.node('Gather', [writer.node('Shape', ['input_ids']), writer.int(1)]);
  const range = writer.node('Range', [writer.int(0), length, writer.int(1)]);
  const first = writer.node('Unsqueeze', [range, writer.ints([1])]);
  const distance = writer.node('Sub', [range, first]);
  return writer.node('Gather', [table, writer.node('Add', [distance, writer.int(positions - 1)])]);
}
