/** Which text of a pair gives way when both are too long together. */
export type TruncationStrategy = 'longest_first' | 'only_first' | 'only_second';

/**
 * Lengths of two sequences after truncation to `room` tokens together.
 *
 * `longest_first` follows `truncate_encodings` of the Rust library `tokenizers` (utils/truncation.rs): the shorter
 * keeps what it has while the longer fits beside it; if both are long they share the room, the longer one taking the
 * odd token.
 *
 * @returns undefined if the strategy cannot make them fit
 */
export function truncatedLengths(
  a: number,
  b: number,
  room: number,
  strategy: TruncationStrategy,
): readonly [number, number] | undefined {
  if (a + b <= room) return [a, b];
  if (strategy === 'only_first') return room > b ? [room - b, b] : undefined;
  if (strategy === 'only_second') return room > a ? [a, room - a] : undefined;
  const swapped = a > b;
  let short = swapped ? b : a;
  let long = short > room ? short : Math.max(short, room - short);
  if (short + long > room) {
    short = Math.floor(room / 2);
    long = short + (room % 2);
  }
  return swapped ? [long, short] : [short, long];
}

/** The kept part of a sequence: its beginning, or its end where the tokenizer truncates on the left. */
export function kept<T>(items: readonly T[], length: number, left: boolean): readonly T[] {
  if (items.length <= length) return items;
  return left ? items.slice(items.length - length) : items.slice(0, length);
}
