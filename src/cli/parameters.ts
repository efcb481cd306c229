import { ModelkeepError } from '../app/index.js';

/** The flags that name a task's options. */
export interface ParameterFlags {
  readonly param?: readonly string[];
  readonly topK?: string;
}

/**
 * The options of a task from `--param NAME=VALUE` and `--top-k`; values are JSON or plain strings.
 *
 * @throws ModelkeepError `INVALID_INPUT` for one without `=`
 */
export function parseParameters({ param = [], topK }: ParameterFlags): Record<string, unknown> {
  const entries = param.map((text) => {
    const equals = text.indexOf('=');
    if (equals < 1) throw new ModelkeepError('INVALID_INPUT', `--param ${JSON.stringify(text)} is not NAME=VALUE`);
    return [text.slice(0, equals), parseValue(text.slice(equals + 1))] as const;
  });
  if (topK !== undefined) entries.push(['top_k', parseValue(topK)]);
  return Object.fromEntries(entries);
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** The number of `--limit`. @throws ModelkeepError `INVALID_INPUT` for anything but a whole number above 0 */
export function parseLimit(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit > 0) return limit;
  throw new ModelkeepError('INVALID_INPUT', `--limit ${JSON.stringify(text)} is not a whole number above 0`);
}
