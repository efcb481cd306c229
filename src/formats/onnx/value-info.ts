import type { TensorInfo, TensorType } from '../../core/index.js';
import { ONNX_TYPE } from './model-writer.js';
import { bytesField, concat, fieldsIn, integerField, WIRE } from './wire.js';

const TYPE_NAMES = new Map<number, TensorType>(
  Object.entries(ONNX_TYPE).flatMap(([name, number]): [number, TensorType][] =>
    name === 'bfloat16' ? [] : [[number, name as TensorType]],
  ),
);

/** The message in the field `wanted` of a message; undefined if there is none. */
function inner(message: Buffer | undefined, wanted: number): Buffer | undefined {
  if (message === undefined) return undefined;
  for (const { field, wire, start, end } of fieldsIn(message)) {
    if (field === wanted && wire === WIRE.bytes) return message.subarray(start, end);
  }
  return undefined;
}

/** Reads a ValueInfoProto; `tensor` is undefined for sequences, maps, and types that do not cross the runner's border. */
export function readValueInfo(message: Buffer): { readonly name: string; readonly tensor: TensorInfo | undefined } {
  const name = inner(message, 1)?.toString('utf8') ?? '';
  const tensorType = inner(inner(message, 2), 1);
  if (tensorType === undefined) return { name, tensor: undefined };
  let type: TensorType | undefined;
  const dims: number[] = [];
  for (const { field, wire, value, start, end } of fieldsIn(tensorType)) {
    if (field === 1 && wire === WIRE.varint) type = TYPE_NAMES.get(value);
    if (field !== 2 || wire !== WIRE.bytes) continue;
    const shape = tensorType.subarray(start, end);
    for (const dim of fieldsIn(shape)) if (dim.field === 1) dims.push(readDim(shape.subarray(dim.start, dim.end)));
  }
  return { name, tensor: type === undefined ? undefined : { name, type, dims } };
}

function readDim(message: Buffer): number {
  for (const { field, wire, value } of fieldsIn(message)) if (field === 1 && wire === WIRE.varint) return value;
  return -1;
}

/** Writes a ValueInfoProto of a tensor. */
export function tensorValueInfo({ name, type, dims }: TensorInfo): Uint8Array {
  const shape = dims.map((dim, axis) =>
    bytesField(1, dim < 0 ? bytesField(2, `${name}_${axis}`) : integerField(1, dim)),
  );
  const tensor = concat([integerField(1, ONNX_TYPE[type]), bytesField(2, concat(shape))]);
  return concat([bytesField(1, name), bytesField(2, bytesField(1, tensor))]);
}
