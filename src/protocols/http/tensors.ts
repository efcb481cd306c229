import { ModelkeepError, type Tensor, type TensorData, type TensorType } from '../../core/index.js';

/** A tensor of the Open Inference Protocol in its JSON form. */
export interface JsonTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly data: readonly unknown[];
}

interface Datatype {
  readonly name: string;
  readonly parse: (values: readonly unknown[]) => TensorData;
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

/** The protocol's name of each element type, and how its JSON values are read. FP16 has no JSON form. */
const DATATYPES: Readonly<Partial<Record<TensorType, Datatype>>> = {
  float32: { name: 'FP32', parse: numbers((v) => Float32Array.from(v), -FLOAT32_MAX, FLOAT32_MAX, false) },
  float64: { name: 'FP64', parse: numbers((v) => Float64Array.from(v), -Number.MAX_VALUE, Number.MAX_VALUE, false) },
  int8: { name: 'INT8', parse: numbers((v) => Int8Array.from(v), -128, 127, true) },
  int16: { name: 'INT16', parse: numbers((v) => Int16Array.from(v), -32_768, 32_767, true) },
  int32: { name: 'INT32', parse: numbers((v) => Int32Array.from(v), -2_147_483_648, 2_147_483_647, true) },
  int64: { name: 'INT64', parse: integers((v) => BigInt64Array.from(v), Number.MIN_SAFE_INTEGER) },
  uint8: { name: 'UINT8', parse: numbers((v) => Uint8Array.from(v), 0, 255, true) },
  uint16: { name: 'UINT16', parse: numbers((v) => Uint16Array.from(v), 0, 65_535, true) },
  uint32: { name: 'UINT32', parse: numbers((v) => Uint32Array.from(v), 0, 4_294_967_295, true) },
  uint64: { name: 'UINT64', parse: integers((v) => BigUint64Array.from(v), 0) },
  bool: { name: 'BOOL', parse: truthy },
  string: { name: 'BYTES', parse: strings },
};

/** The protocol's name of an element type. @throws ModelkeepError `UNSUPPORTED_FORMAT` for one without a JSON form */
export function datatypeOf(type: TensorType): string {
  const found = DATATYPES[type];
  if (found === undefined) throw new ModelkeepError('UNSUPPORTED_FORMAT', `Tensors of type ${type} have no JSON form`);
  return found.name;
}

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
  const entry = Object.entries(DATATYPES).find(([, known]) => known.name === datatype);
  if (entry === undefined) {
    const known = Object.values(DATATYPES).map((one) => one.name);
    throw new ModelkeepError(
      'INVALID_INPUT',
      `Input "${name}" has the datatype "${datatype}"; known are ${known.join(', ')}`,
    );
  }
  const values = flatten(json);
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (values.length !== count) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `Input "${name}" has ${values.length} values, its shape [${shape.join(', ')}] wants ${count}`,
    );
  }
  try {
    return { type: entry[0] as TensorType, dims: shape, data: entry[1].parse(values) };
  } catch (error) {
    throw new ModelkeepError('INVALID_INPUT', `Input "${name}": ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Writes a tensor; 64-bit integers become JSON numbers.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a value that JSON cannot hold: NaN, an infinity, an integer of 2^53 or
 * more
 */
export function tensorToJson(name: string, { type, dims, data }: Tensor): JsonTensor {
  const datatype = datatypeOf(type);
  const values = Array.from(data as ArrayLike<unknown>, (value) => {
    if (type === 'bool') return Boolean(value);
    const plain = typeof value === 'bigint' ? Number(value) : value;
    const holds =
      typeof plain !== 'number' || (typeof value === 'bigint' ? Number.isSafeInteger(plain) : Number.isFinite(plain));
    if (!holds) throw unspeakable(name, value);
    return plain;
  });
  return { name, shape: dims, datatype, data: values };
}

function unspeakable(name: string, value: unknown): ModelkeepError {
  return new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `Output "${name}" holds the value ${String(value)}, which JSON cannot hold`,
  );
}
