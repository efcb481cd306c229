import { ModelkeepError } from '../../app/index.js';

/** A version number of a flag or argument. @throws ModelkeepError `INVALID_INPUT` naming it */
export function versionNumber(text: string, name: string): number {
  const version = Number(text);
  if (Number.isSafeInteger(version) && version > 0) return version;
  throw new ModelkeepError('INVALID_INPUT', `${name} ${JSON.stringify(text)} is no version number`);
}

/** What `--expect` means: a version, `null` for "none", undefined if it is not given. @throws ModelkeepError `INVALID_INPUT` */
export function parseExpect(text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined;
  return text === 'none' ? null : versionNumber(text, '--expect');
}

/** A number of a flag, undefined if it is not given. @throws ModelkeepError `INVALID_INPUT` naming the flag */
export function numberFlag(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(number)) return number;
  throw new ModelkeepError('INVALID_INPUT', `${flag} ${JSON.stringify(text)} is no number`);
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A time such as `250ms`, `30s`, `10m` or `2h`, in ms. @throws ModelkeepError `INVALID_INPUT` naming the flag */
export function durationFlag(text: string, flag: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)$/.exec(text.trim());
  if (match !== null) return Number(match[1]) * (UNIT_MS[match[2] ?? 'ms'] ?? 1);
  throw new ModelkeepError('INVALID_INPUT', `${flag} ${JSON.stringify(text)} is no time: write 250ms, 30s, 10m or 2h`);
}

/** The message of a command, for the options of the registry. */
export function messageOf({ message }: { readonly message?: string }): { message?: string } {
  return message === undefined ? {} : { message };
}
