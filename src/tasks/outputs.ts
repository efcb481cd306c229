import { ModelkeepError } from '../core/index.js';
import type { EncodingOutputs } from './task.js';

/** One output tensor of one encoding. */
export type Output = EncodingOutputs[string];

/**
 * The output of the first of `names` that the model has, or its only output.
 *
 * @throws ModelkeepError `LOAD_FAILED` if the model gives none of them: it is of another task
 */
export function outputNamed(outputs: EncodingOutputs | undefined, ...names: readonly string[]): Output {
  const has = Object.keys(outputs ?? {});
  const name = names.find((each) => has.includes(each)) ?? (has.length === 1 ? has[0] : undefined);
  const output = name === undefined ? undefined : outputs?.[name];
  if (output !== undefined) return output;
  throw new ModelkeepError(
    'LOAD_FAILED',
    `The model gives ${has.join(', ') || 'no outputs'}, not ${names.join(' or ')}; publish it with another --task`,
  );
}

/** Row `index` of a [rows, columns] tensor, without a copy. */
export function row(output: Output, index: number): Float32Array {
  const columns = output.dims.at(-1) ?? 0;
  return output.data.subarray(index * columns, (index + 1) * columns);
}
