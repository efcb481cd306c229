import { ModelkeepError, type Tensor } from '../../core/index.js';
import type { RequestOptions } from '../../serving/index.js';

/** Parameters of a request, of an input or of an output. */
export type Parameters = Readonly<Record<string, unknown>>;

/**
 * Parameters that the protocol and its clients own; all others belong to the task. Priorities and sequences mean
 * nothing here: requests take turns, and no model has a state between them.
 */
const OWNED: ReadonlySet<string> = new Set([
  'timeout',
  'binary_data_output',
  'priority',
  'sequence_id',
  'sequence_start',
  'sequence_end',
  'triton_enable_empty_final_response',
  // How MLServer's clients wrote the values down; every tensor says that itself.
  'content_type',
  'headers',
]);

/** Extensions whose parameters would change what an answer means, so that ignoring them would deceive. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['classification', 'ask a text model for its labels instead'],
  ['shared_memory_region', 'send the tensor itself'],
  ['shared_memory_offset', 'send the tensor itself'],
  ['shared_memory_byte_size', 'send the tensor itself'],
]);

/** The parameters of a request that are options of the task. */
export function taskParameters(parameters: Parameters): Parameters {
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => !OWNED.has(name)));
}

/** How clients of MLServer say that they wrote values down; none of these changes a value. */
const CONTENT_TYPES: ReadonlySet<unknown> = new Set(['str', 'np', 'pd', 'pd_json', 'hg_json', 'hg_jsonstr']);

/** True if a request says how its values were written down, so that the answer has to say it too. */
export function saysContentType(parameters: Parameters): boolean {
  return (parameters['content_type'] ?? undefined) !== undefined;
}

/** How clients of MLServer read an output: texts, or an array. */
export function contentTypeOf({ type }: Tensor): 'str' | 'np' {
  return type === 'string' ? 'str' : 'np';
}

/** Refuses what is not supported at a tensor. @throws ModelkeepError `INVALID_INPUT` naming tensor and parameter */
export function checkTensorParameters(tensor: string, parameters: Parameters): void {
  const { content_type: contentType } = parameters;
  if (contentType !== undefined && !CONTENT_TYPES.has(contentType)) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `${tensor} has the content_type ${JSON.stringify(contentType)?.slice(0, 40)}, which is not supported: write texts ` +
        'as "str" and numbers as "np"',
    );
  }
  for (const name of Object.keys(parameters)) {
    const instead = REFUSED.get(name);
    if (instead === undefined) continue;
    throw new ModelkeepError(
      'INVALID_INPUT',
      `${tensor} has the parameter "${name}", which is not supported: ${instead}`,
    );
  }
}

const MICROSECONDS_PER_MS = 1_000;

/**
 * The options of a request with its `timeout` parameter (in µs, as its clients send it; `0`: none); the shorter of two
 * limits holds.
 *
 * @throws ModelkeepError `INVALID_INPUT`
 */
export function withTimeout(options: RequestOptions, { timeout }: Parameters): RequestOptions {
  if (timeout === undefined || timeout === 0) return options;
  if (typeof timeout !== 'number' || !Number.isSafeInteger(timeout) || timeout < 0) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `The parameter "timeout" is ${JSON.stringify(timeout)?.slice(0, 40)}: give whole microseconds, or 0 for no limit`,
    );
  }
  const timeoutMs = Math.ceil(timeout / MICROSECONDS_PER_MS);
  const { timeoutMs: other = 0 } = options;
  return { ...options, timeoutMs: other === 0 ? timeoutMs : Math.min(other, timeoutMs) };
}

/**
 * Refuses what would change a model in place; that an unload may name `unload_dependents` changes nothing, as nothing
 * here depends on another model.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming the parameter
 */
export function refuseParameters(parameters: Parameters, action: 'load' | 'unload'): void {
  const known = action === 'unload' ? ['unload_dependents'] : [];
  const other = Object.keys(parameters).find((name) => !known.includes(name));
  if (other === undefined) return;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `The parameter "${other.slice(0, 100)}" is not supported: a version is what was published, publish another one`,
  );
}
