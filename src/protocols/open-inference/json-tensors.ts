import { ModelkeepError, type Tensor, type TensorData, type TensorType } from '../../core/index.js';
import { DATATYPE_NAMES, datatypeOf, elementsOf, typeOf, type NamedTensor, type TensorHead } from './datatypes.js';

/** A tensor in its JSON form. */
export interface JsonTensor extends TensorHead {
  readonly data: readonly unknown[];
}

type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array;

function numbers(make: (values: number[]) => NumberArray, low: number, high: number, whole: boolean) {
  const wanted = `${whole ? 'an integer' : 'a number'} from ${low} to ${high}`;
  return (values: readonly unknown[]): TensorData => {
    for (const value of values) {
      // Written so that NaN fails.
      const fits = typeof value === 'number' && value >= low && value <= high && (!whole || Number.isInteger(value));
      if (!fits) throw wrongValue(value, wanted);
    }
    return make(values as number[]);
  };
}

function integers(make: (values: bigint[]) => TensorData, low: number) {
  const wanted = `an integer from ${low} to ${Number.MAX_SAFE_INTEGER}, the largest that JSON holds exactly`;
  return (values: readonly unknown[]): TensorData =>
    make(
      values.map((value) => {
        if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < low) throw wrongValue(value, wanted);
        return BigInt(value);
      }),
    );
}

function wrongValue(value: unknown, wanted: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', `The value ${JSON.stringify(value)?.slice(0, 40)} is not ${wanted}`);
}

function truthy(values: readonly unknown[]): TensorData {
  return Uint8Array.from(values, (value) => {
    if (typeof value !== 'boolean') throw wrongValue(value, 'true or false');
    return value ? 1 : 0;
  });
}

function strings(values: readonly unknown[]): TensorData {
  return values.map((value) => {
    if (typeof value !== 'string') throw wrongValue(value, 'a string');
    return value;
  });
}

const FLOAT32_MAX = 3.4028234663852886e38;

/** How the JSON values of each type are read. FP16 and BF16 have no JSON form. */
const PARSERS: Readonly<Partial<Record<TensorType, (values: readonly unknown[]) => TensorData>>> = {
  float32: numbers((v) => Float32Array.from(v), -FLOAT32_MAX, FLOAT32_MAX, false),
  float64: numbers((v) => Float64Array.from(v), -Number.MAX_VALUE, Number.MAX_VALUE, false),
  int8: numbers((v) => Int8Array.from(v), -128, 127, true),
  int16: numbers((v) => Int16Array.from(v), -32_768, 32_767, true),
  int32: numbers((v) => Int32Array.from(v), -2_147_483_648, 2_147_483_647, true),
  int64: integers((v) => BigInt64Array.from(v), Number.MIN_SAFE_INTEGER),
  uint8: numbers((v) => Uint8Array.from(v), 0, 255, true),
  uint16: numbers((v) => Uint16Array.from(v), 0, 65_535, true),
  uint32: numbers((v) => Uint32Array.from(v), 0, 4_294_967_295, true),
  uint64: integers((v) => BigUint64Array.from(v), 0),
  bool: truthy,
  string: strings,
};

/** The values in row-major order; the protocol allows a flat list, and lists that are nested as the shape says. */
function flatten({ name, shape, data }: JsonTensor): readonly unknown[] {
  if (!Array.isArray(data[0])) return data;
  const values: unknown[] = [];
  const collect = (part: unknown, axis: number): void => {
    if (!Array.isArray(part) || part.length !== shape[axis]) {
      throw new ModelkeepError(
        'INVALID_INPUT',
        `Input "${name}" is not nested as its shape [${shape.join(', ')}] says`,
      );
    }
    if (axis === shape.length - 1) for (const value of part) values.push(value);
    else for (const one of part) collect(one, axis + 1);
  };
  collect(data, 0);
  return values;
}

/** Reads a tensor. @throws ModelkeepError `INVALID_INPUT` naming the tensor and what is wrong with it */
export function tensorFromJson(json: JsonTensor): Tensor {
  const { name, shape, datatype } = json;
  const type = typeOf(datatype);
  const parse = type === undefined ? undefined : PARSERS[type];
  if (type === undefined || parse === undefined) throw unknownDatatype(json);
  const values = flatten(json);
  const count = elementsOf(shape);
  if (values.length !== count) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `Input "${name}" has ${values.length} values, its shape [${shape.join(', ')}] makes ${count}`,
    );
  }
  try {
    return { type, dims: shape, data: parse(values) };
  } catch (error) {
    throw new ModelkeepError('INVALID_INPUT', `Input "${name}": ${(error as Error).message}`, { cause: error });
  }
}

function unknownDatatype({ name, datatype }: JsonTensor): ModelkeepError {
  const why = DATATYPE_NAMES.includes(datatype)
    ? `${datatype} has no JSON form: send it as binary data`
    : `known are ${DATATYPE_NAMES.join(', ')}`;
  return new ModelkeepError('INVALID_INPUT', `Input "${name}" has the datatype "${datatype.slice(0, 40)}"; ${why}`);
}

/**
 * Writes a tensor; 64-bit integers become JSON numbers.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for FP16, and for a value that JSON cannot hold: NaN, an infinity, an
 * integer of 2^53 or more
 */
export function tensorToJson({ name, tensor: { type, dims, data } }: NamedTensor): JsonTensor {
  if (PARSERS[type] === undefined) throw unspeakable(name, `is of the datatype ${datatypeOf(type)}`);
  const values = Array.from(data as ArrayLike<unknown>, (value) => {
    if (type === 'bool') return Boolean(value);
    const plain = typeof value === 'bigint' ? Number(value) : value;
    const holds =
      typeof plain !== 'number' || (typeof value === 'bigint' ? Number.isSafeInteger(plain) : Number.isFinite(plain));
    if (!holds) throw unspeakable(name, `holds the value ${String(value)}`);
    return plain;
  });
  return { name, shape: dims, datatype: datatypeOf(type), data: values };
}

function unspeakable(name: string, what: string): ModelkeepError {
  return new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `Output "${name}" ${what}, which JSON cannot hold: ask for it as binary data`,
  );
}
