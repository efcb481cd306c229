import { ModelkeepError } from '../app/index.js';

const UNIT_MS: Readonly<Record<string, number>> = Object.freeze({
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
});

/**
 * A length of time such as `30d`, `24h`, `15m`, `90s` or `500ms`, in ms.
 *
 * @param flag what gave it, for the message
 * @throws ModelkeepError `INVALID_INPUT`
 */
export function parseDuration(text: string, flag: string): number {
  const [, amount, unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d|w)$/.exec(text) ?? [];
  const factor = UNIT_MS[unit];
  if (amount !== undefined && factor !== undefined) return Math.round(Number(amount) * factor);
  throw new ModelkeepError(
    'INVALID_INPUT',
    `${flag} ${JSON.stringify(text)} is no length of time: write a number and ms, s, m, h, d or w, such as 30d`,
  );
}

/** A length of time in the largest unit that divides it: `30d`. */
export function formatDuration(ms: number): string {
  const units = Object.entries(UNIT_MS).filter(([unit]) => unit !== 'w');
  const [unit, factor] = units.findLast(([, size]) => ms % size === 0 && ms >= size) ?? ['ms', 1];
  return `${ms / factor}${unit}`;
}
