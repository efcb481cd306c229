import { ModelkeepError, type Tensor, type TensorType } from '../../core/index.js';
import { datatypeOf, elementsOf, textOf, typeOf, type TensorHead } from '../open-inference/index.js';

/** A message `InferTensorContents`; 64-bit integers as texts. */
export interface InferTensorContents {
  readonly bool_contents?: readonly boolean[];
  readonly int_contents?: readonly number[];
  readonly int64_contents?: readonly string[];
  readonly uint_contents?: readonly number[];
  readonly uint64_contents?: readonly string[];
  readonly fp32_contents?: readonly number[];
  readonly fp64_contents?: readonly number[];
  readonly bytes_contents?: readonly Uint8Array[];
}

type Field = keyof InferTensorContents;
type Values = readonly (boolean | number | string | Uint8Array)[];

/** How one type travels in typed contents. */
interface Form {
  readonly field: Field;
  /** Smallest and largest value, where the field holds more than the type. */
  readonly range?: readonly [number, number];
  read(values: Values, head: TensorHead): Tensor['data'];
  write(data: Tensor['data']): Values;
}

const plain = (data: Tensor['data']): Values => Array.from(data as ArrayLike<number>);
const texts = (data: Tensor['data']): Values => Array.from(data as BigInt64Array, String);

/** Every type that has a form in typed contents; FP16 has none. */
const FORMS: Readonly<Partial<Record<TensorType, Form>>> = {
  bool: {
    field: 'bool_contents',
    read: (values) => Uint8Array.from(values, Number),
    write: (data) => Array.from(data as Uint8Array, Boolean),
  },
  int8: { field: 'int_contents', range: [-128, 127], read: (v) => Int8Array.from(v as number[]), write: plain },
  int16: { field: 'int_contents', range: [-32_768, 32_767], read: (v) => Int16Array.from(v as number[]), write: plain },
  int32: { field: 'int_contents', read: (v) => Int32Array.from(v as number[]), write: plain },
  int64: { field: 'int64_contents', read: (v) => BigInt64Array.from(v as string[], BigInt), write: texts },
  uint8: { field: 'uint_contents', range: [0, 255], read: (v) => Uint8Array.from(v as number[]), write: plain },
  uint16: { field: 'uint_contents', range: [0, 65_535], read: (v) => Uint16Array.from(v as number[]), write: plain },
  uint32: { field: 'uint_contents', read: (v) => Uint32Array.from(v as number[]), write: plain },
  uint64: { field: 'uint64_contents', read: (v) => BigUint64Array.from(v as string[], BigInt), write: texts },
  float32: { field: 'fp32_contents', read: (v) => Float32Array.from(v as number[]), write: plain },
  float64: { field: 'fp64_contents', read: (v) => Float64Array.from(v as number[]), write: plain },
  string: {
    field: 'bytes_contents',
    read: (values, head) => values.map((bytes, element) => textOf(head, bytes as Uint8Array, element)),
    write: (data) => (data as readonly string[]).map((text) => Buffer.from(text, 'utf8')),
  },
};

function wrong({ name }: TensorHead, why: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', `Input "${name}" ${why}`);
}

/**
 * Reads a tensor in typed contents.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming the input: a datatype without such a form, elements in another field, of
 * another number than the shape makes, or out of the datatype's range
 */
export function tensorFromContents(head: TensorHead, contents: InferTensorContents): Tensor {
  const { datatype, shape } = head;
  const type = typeOf(datatype);
  const form = type === undefined ? undefined : FORMS[type];
  if (type === undefined || form === undefined) {
    throw wrong(
      head,
      `has the datatype "${datatype.slice(0, 40)}", which has no typed contents: use raw_input_contents`,
    );
  }
  const other = Object.entries(contents).find(([field, values]) => field !== form.field && values.length > 0);
  if (other !== undefined) throw wrong(head, `has ${other[0]}, but ${datatype} travels in ${form.field}`);
  const values: Values = contents[form.field] ?? [];
  const count = elementsOf(shape);
  if (values.length !== count) {
    throw wrong(head, `has ${values.length} values, its shape [${shape.join(', ')}] makes ${count}`);
  }
  checkRange(head, form, values);
  return { type, dims: shape, data: form.read(values, head) };
}

function checkRange(head: TensorHead, { range }: Form, values: Values): void {
  if (range === undefined) return;
  const [low, high] = range;
  const outside = values.find((value) => (value as number) < low || (value as number) > high);
  if (outside !== undefined)
    throw wrong(head, `has the value ${String(outside)}, ${head.datatype} is ${low} to ${high}`);
}

/** True if a tensor has a form in typed contents. */
export function hasContents({ type }: Tensor): boolean {
  return FORMS[type] !== undefined;
}

/** Writes a tensor to typed contents. @throws ModelkeepError `UNSUPPORTED_FORMAT` if it has no such form */
export function contentsOf({ type, data }: Tensor): InferTensorContents {
  const form = FORMS[type];
  if (form === undefined) throw new ModelkeepError('UNSUPPORTED_FORMAT', `${datatypeOf(type)} has no typed contents`);
  return { [form.field]: form.write(data) };
}
