/** The largest difference of two numbers in the same place; infinite for answers of other shapes or words. */
export function gapOf(found: unknown, expected: unknown): number {
  if (typeof found === 'number' && typeof expected === 'number') return Math.abs(found - expected);
  if (typeof found !== 'object' || typeof expected !== 'object' || found === null || expected === null) {
    return found === expected ? 0 : Number.POSITIVE_INFINITY;
  }
  const [own, other] = [Object.entries(found), Object.entries(expected)];
  if (own.length !== other.length) return Number.POSITIVE_INFINITY;
  return Math.max(0, ...other.map(([key, value]) => gapOf((found as Record<string, unknown>)[key], value)));
}

/** All numbers of an answer, in its order. */
export function flatNumbers(answer: unknown): readonly number[] {
  if (typeof answer === 'number') return [answer];
  return typeof answer === 'object' && answer !== null ? Object.values(answer).flatMap(flatNumbers) : [];
}
