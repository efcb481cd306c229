import type { ByteSource } from './byte-source.js';
import { Keyed, Made, type Value } from './values.js';

/** The class that joblib pickles in the place of an array, whose bytes follow in the file. */
const WRAPPER = 'joblib.numpy_pickle.NumpyArrayWrapper';

/** What follows an array's place-holder: nothing, raw bytes, a pickle of its own, or what cannot be told. */
export type AfterWrapper = 'no-array' | 'skipped' | 'nested-pickle' | 'unknown';

/** Bytes of one element of a dtype's short name, such as `f8`; `undefined` if they cannot be told from it. */
function elementBytes(name: Value | undefined): number | undefined {
  const match = typeof name === 'string' ? /^[<>=|]?([biufcSUmM?])(\d{0,6})(\[.*\])?$/.exec(name) : null;
  if (match === null) return undefined;
  const size = match[2] === '' ? 1 : Number(match[2]);
  return match[1] === 'U' ? size * 4 : size;
}

/** Set in a dtype's flags if its elements are Python objects (NPY_ITEM_HASOBJECT of numpy's ndarraytypes.h). */
const HAS_OBJECT = 1;

/** Bytes of a structured dtype without objects, from the state that numpy pickles: …, bytes, alignment, flags. */
function recordBytes(name: Value | undefined, state: Value): number | undefined {
  if (typeof name !== 'string' || !/^[|]?V\d+$/.test(name) || !Array.isArray(state)) return undefined;
  const values = state as readonly Value[];
  const [, , , , , bytes, , flags] = values;
  return typeof bytes === 'number' && typeof flags === 'number' && (flags & HAS_OBJECT) === 0 ? bytes : undefined;
}

/**
 * Passes over the bytes of an array that joblib writes behind its place-holder: one byte with the number of padding
 * bytes (where the place-holder has an alignment, joblib 1.2 and newer), the padding, and the elements.
 */
export function skipArray(value: Value | undefined, source: ByteSource): AfterWrapper {
  if (!(value instanceof Made) || value.maker !== WRAPPER) return 'no-array';
  if (!(value.state instanceof Keyed)) return 'unknown';
  const { state } = value;
  const dtype = state.get('dtype');
  const shape = state.get('shape');
  if (!(dtype instanceof Made) || dtype.maker !== 'numpy.dtype' || !Array.isArray(dtype.args)) return 'unknown';
  const [name] = dtype.args as readonly Value[];
  if (typeof name === 'string' && /^[|]?O8?$/.test(name)) return 'nested-pickle';
  const bytes = elementBytes(name) ?? recordBytes(name, dtype.state);
  if (bytes === undefined || !Array.isArray(shape)) return 'unknown';
  const dims = shape as readonly Value[];
  if (!dims.every((dim): dim is number => typeof dim === 'number' && Number.isSafeInteger(dim) && dim >= 0)) {
    return 'unknown';
  }
  if (typeof state.get('numpy_array_alignment_bytes') === 'number') source.skip(source.take(1)[0] ?? 0);
  source.skip(dims.reduce((product, dim) => product * dim, bytes));
  return 'skipped';
}
