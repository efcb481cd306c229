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

function numbers(make: (values: number[]) => NumberArray, low: number, high: number) {
  return (values: readonly unknown[]): TensorData => {
    for (const value of values) {
      if (typeof value !== 'number' || value < low || value > high)
        throw wrongValue(value, `a number from ${low} to ${high}`);
    }
    return make(values as number[]);
  };
}

function integers(make: (values: bigint[]) => TensorData) {
  return (values: readonly unknown[]): TensorData =>
    make(
      values.map((value) => {
        if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw wrongValue(value, 'an integer below 2^53');
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
  float32: { name: 'FP32', parse: numbers((v) => Float32Array.from(v), -FLOAT32_MAX, FLOAT32_MAX) },
  float64: { name: 'FP64', parse: numbers((v) => Float64Array.from(v), -Number.MAX_VALUE, Number.MAX_VALUE) },
  int8: { name: 'INT8', parse: numbers((v) => Int8Array.from(v), -128, 127) },
  int16: { name: 'INT16', parse: numbers((v) => Int16Array.from(v), -32_768, 32_767) },
  int32: { name: 'INT32', parse: numbers((v) => Int32Array.from(v), -2_147_483_648, 2_147_483_647) },
  int64: { name: 'INT64', parse: integers((v) => BigInt64Array.from(v)) },
  uint8: { name: 'UINT8', parse: numbers((v) => Uint8Array.from(v), 0, 255) },
  uint16: { name: 'UINT16', parse: numbers((v) => Uint16Array.from(v), 0, 65_535) },
  uint32: { name: 'UINT32', parse: numbers((v) => Uint32Array.from(v), 0, 4_294_967_295) },
  uint64: { name: 'UINT64', parse: integers((v) => BigUint64Array.from(v)) },
  bool: { name: 'BOOL', parse: truthy },
  string: { name: 'BYTES', parse: strings },
};

/** The protocol's name of an element type. @throws ModelkeepError `UNSUPPORTED_FORMAT` for one without a JSON form */
export function datatypeOf(type: TensorType): string {
  const found = DATATYPES[type];
  if (found === undefined) throw new ModelkeepError('UNSUPPORTED_FORMAT', `Tensors of type ${type} have no JSON form`);
  return found.name;
}

/** Flattens nested lists in row-major order, as the protocol allows both forms. */
function flatten(data: readonly unknown[]): readonly unknown[] {
  return Array.isArray(data[0]) ? data.flat(Infinity) : data;
}

/** Reads a tensor. @throws ModelkeepError `INVALID_INPUT` naming the tensor and what is wrong with it */
export function tensorFromJson({ name, shape, datatype, data }: JsonTensor): Tensor {
  const entry = Object.entries(DATATYPES).find(([, known]) => known.name === datatype);
  if (entry === undefined) {
    const known = Object.values(DATATYPES).map((one) => one.name);
    throw new ModelkeepError(
      'INVALID_INPUT',
      `Input "${name}" has the datatype "${datatype}"; known are ${known.join(', ')}`,
    );
  }
  const values = flatten(data);
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

/** Writes a tensor; 64-bit integers become JSON numbers. */
export function tensorToJson(name: string, { type, dims, data }: Tensor): JsonTensor {
  const datatype = datatypeOf(type);
  const plain: unknown[] = Array.from(data as ArrayLike<unknown>);
  const values =
    type === 'bool' ? plain.map(Boolean) : plain.map((value) => (typeof value === 'bigint' ? Number(value) : value));
  return { name, shape: dims, datatype, data: values };
}
