import { z } from 'zod';
import { ModelkeepError, unknownFields } from '../core/index.js';

/**
 * The error for an input that a task cannot take.
 *
 * @param field a path such as `inputs[2].text`
 * @param reason what programs read of it, as `details.reason`
 */
export function invalidInput(field: string, why: string, reason?: typeof TOO_LONG): ModelkeepError {
  const details = reason === undefined ? { field } : { field, reason };
  return new ModelkeepError('INVALID_INPUT', `${field} ${why}`, { details });
}

/** `details.reason` of an error for an input that is longer than the model takes. */
export const TOO_LONG = 'too-long';

/** The error for a text that may not be cut and is longer than the model takes. */
export function tooLong(field: string, maxTokens: number): ModelkeepError {
  return invalidInput(
    field,
    `has more than the ${maxTokens} tokens the model takes; shorten it, or set truncate to true`,
    TOO_LONG,
  );
}

/**
 * Checks the parameters of a request against the schema of its task.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming the parameter
 */
export function parseParameters<T>(schema: z.ZodType<T>, parameters: Readonly<Record<string, unknown>> | undefined): T {
  const parsed = schema.safeParse(parameters ?? {}, { error: unknownFields });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = ['parameters', ...(issue?.path ?? [])].map(String).join('.');
  throw invalidInput(path, `is wrong: ${issue?.message ?? 'not what the task takes'}`);
}

/** Any lone surrogate: text that is not Unicode, which the reference tokenizers refuse too. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Returns `value` if it is a text the tokenizer can take; the empty text is one.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming `field`
 */
export function textOf(value: unknown, field: string): string {
  if (typeof value !== 'string') throw invalidInput(field, `must be a text, not ${kindOf(value)}`);
  if (LONE_SURROGATE.test(value)) throw invalidInput(field, 'holds half a surrogate pair, which is not valid Unicode');
  return value;
}

/** How a value is called in an error: `null`, `a list`, `a number`, … */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/**
 * Prepares each of several inputs, all at once, and gives what was made of them in their order. Of several that are
 * wrong, the first one is told.
 */
export async function inOrder<T, R>(
  inputs: readonly T[],
  work: (input: T, index: number) => R | Promise<R>,
): Promise<R[]> {
  const settled = await Promise.allSettled(inputs.map(async (input, index) => work(input, index)));
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

/** One of several words, in lower case or in capitals, as the enumerations of transformers are written. */
export function anyCase<const T extends string>(words: readonly T[]): z.ZodType<T, T | Uppercase<T>> {
  const capitals = words.map((word) => word.toUpperCase() as Uppercase<T>);
  return z.enum([...words, ...capitals] as [T, ...(T | Uppercase<T>)[]]).transform((word) => word.toLowerCase() as T);
}

/** True for a JSON object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
