import { invalidInput } from '../input.js';

/** How a sequence is read in windows. */
export interface Windowing {
  /** Most tokens of a window. */
  readonly room: number;
  /** Tokens that two windows share. */
  readonly stride: number;
  /** True to begin with the last tokens. @defaultValue false */
  readonly fromEnd?: boolean;
}

/**
 * Overlapping runs of a sequence: each of at most `room` tokens, each but the first beginning `stride` tokens before
 * the end of the one before; none begins after one that reached the end (`Encoding::truncate` of the Rust library).
 *
 * @returns [first, behind the last] of each run; one empty run for an empty sequence
 * @throws ModelkeepError `INVALID_INPUT` naming `field` if the overlap leaves no progress
 */
export function windowsOf(
  length: number,
  { room, stride, fromEnd = false }: Windowing,
  field: string,
): (readonly [number, number])[] {
  if (length <= room) return [[0, length]];
  if (stride >= room) throw invalidInput(field, `is ${stride}, but must be less than the ${room} tokens of a window`);
  const windows: (readonly [number, number])[] = [];
  for (let start = 0; ; start += room - stride) {
    const end = Math.min(start + room, length);
    windows.push(fromEnd ? [length - end, length - start] : [start, end]);
    if (end === length) return windows;
  }
}
