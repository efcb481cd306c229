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
