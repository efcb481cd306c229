import { z } from 'zod';
import { asModelkeepError } from '../core/index.js';
import { parseBytes } from './bytes.js';

/** How one setting is checked, what it is by default, and what is said of it. */
export interface Setting<T> {
  readonly schema: z.ZodType<T>;
  readonly defaultValue: T;
  /** One sentence with unit and meaning of 0; shown by `--help` and `modelkeep config`. */
  readonly description: string;
  /** What stands for the value in a usage line. */
  readonly placeholder: string;
  /** True if the value may hold a password. */
  readonly secret?: boolean;
  /** True if the flag may stand without a value, which means `true`. */
  readonly valueOptional?: boolean;
}

/** A text that is not empty. */
export const text = z.string().min(1);
/** A whole number. Only digits are read as a number: `Number('')` would make 0 of an empty variable. */
export const whole = (min: number, max: number): z.ZodType<number> =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^-?[0-9]+$/.test(value.trim()) ? Number(value) : value),
    z.number().int().min(min).max(max),
  );
/** A number of bytes, also as a text such as `2GiB`. */
export const bytes: z.ZodType<number> = z.unknown().transform((value, context) => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  try {
    if (typeof value === 'string') return parseBytes(value);
    context.addIssue({ code: 'custom', message: 'write a whole number of bytes, or a text such as "2GiB"' });
  } catch (error) {
    context.addIssue({ code: 'custom', message: asModelkeepError(error).message });
  }
  return z.NEVER;
});
/** A list, or a text with commas. */
export const list = z.union([
  z.array(text),
  z.string().transform((value) => value.split(',').filter((part) => part !== '')),
]) as z.ZodType<readonly string[]>;

/** Stores with names: a list of NAME=URL, or a text with spaces between them, since URLs of MongoDB hold commas. */
export const namedUrls = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(/\s+/).filter((part) => part !== '') : value),
  z.array(
    z.string().regex(/^[a-z0-9][a-z0-9._-]*=[a-z][a-z0-9+.-]*:/i, 'write NAME=URL, such as backup=mongodb://HOST/DB'),
  ),
) as z.ZodType<readonly string[]>;

/** Declares a setting with its type. */
export function setting<T>(one: Setting<T>): Setting<T> {
  return one;
}

/** A text that may be empty, which means none. */
export const textOrNone = z.string();

/** True or false, as flags, variables and files write them. */
export const flag: z.ZodType<boolean> = z.preprocess(
  (value) => (value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value),
  z.boolean(),
);
