import { invalidKey } from './refusal.js';

/** The fields of an adapter_config.json. */
export type Fields = Readonly<Record<string, unknown>>;

/** Larger numbers would make weights infinite; alphas are a few hundred. */
const MAX_NUMBER = 1_000_000;

/** True for what the settings of peft hold when they are off. */
export function isOff(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === false || value === 0 || value === '';
}

/** A switch, which is off where it is not there. @throws ModelkeepError `INVALID_ARTIFACT` */
export function flagOf(fields: Fields, key: string): boolean {
  const value = fields[key] ?? false;
  if (typeof value === 'boolean') return value;
  throw invalidKey(key, value, 'true or false');
}

/** A number, or what stands for one that is not there. @throws ModelkeepError `INVALID_ARTIFACT` */
export function numberOf(fields: Fields, key: string, otherwise: number): number {
  return finite(key, fields[key] ?? otherwise);
}

/** A rank. @throws ModelkeepError `INVALID_ARTIFACT` */
export function rankOf(key: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  throw invalidKey(key, value, 'a whole number above 0');
}

/** @throws ModelkeepError `INVALID_ARTIFACT` */
export function finite(key: string, value: unknown): number {
  if (typeof value === 'number' && Math.abs(value) <= MAX_NUMBER) return value;
  throw invalidKey(key, value, `a number of at most ${MAX_NUMBER}`);
}

/** A list of names; undefined where it is not there. @throws ModelkeepError `INVALID_ARTIFACT` */
export function namesOf(fields: Fields, key: string): readonly string[] | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw invalidKey(key, value, 'a list of names');
}

/** A list of names, or a pattern as one text. @throws ModelkeepError `INVALID_ARTIFACT` */
export function namesOrPattern(fields: Fields, key: string): readonly string[] | string | undefined {
  const value = fields[key];
  if (typeof value === 'string') return value;
  if (value !== undefined && value !== null && !Array.isArray(value))
    throw invalidKey(key, value, 'a list of names or a pattern');
  return namesOf(fields, key);
}

/** The entries of an object; none where it is not there. @throws ModelkeepError `INVALID_ARTIFACT` */
export function entriesOf(fields: Fields, key: string): readonly (readonly [string, unknown])[] {
  const value = fields[key] ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) throw invalidKey(key, value, 'an object');
  return Object.entries(value);
}
