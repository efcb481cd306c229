import type { FileSpan, TensorInfo } from '../../core/index.js';
import {
  bytesField,
  bytesOf,
  byteText,
  concat,
  floatField,
  integerField,
  integerText,
  messageText,
  stringText,
  type ByteText,
} from './wire.js';

/** Element types of ONNX tensors by the names that we use (TensorProto.DataType in onnx.proto). */
export const ONNX_TYPE = Object.freeze({
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const);

/** A name of {@link ONNX_TYPE}. */
export type OnnxTypeName = keyof typeof ONNX_TYPE;

/** The value of a node's attribute, by kind. */
export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly text: string };

/** The last part of the path of a file: ONNX external data must lie in one folder. */
export function externalLocation({ file }: FileSpan): string {
  return file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1);
}

function externalEntry(key: string, value: string): ByteText {
  return messageText(13, stringText(1, key) + stringText(2, value));
}

function externalDataText(span: FileSpan, bytes: number): ByteText {
  return (
    externalEntry('location', externalLocation(span)) +
    externalEntry('offset', String(span.offset)) +
    externalEntry('length', String(bytes)) +
    integerText(14, 1)
  );
}

/** The fields of a TensorProto that point at bytes in another file. */
export function externalDataFields(span: FileSpan, bytes: number): Uint8Array {
  return bytesOf(externalDataText(span, bytes));
}

function attributeText(name: string, value: Attribute): ByteText {
  const named = stringText(1, name);
  if ('int' in value) return messageText(5, named + integerText(3, value.int) + integerText(20, 2));
  if ('float' in value) return messageText(5, named + byteText(floatField(2, value.float)) + integerText(20, 1));
  if ('text' in value) return messageText(5, named + stringText(4, value.text) + integerText(20, 3));
  return messageText(5, named + value.ints.map((int) => integerText(8, int)).join('') + integerText(20, 7));
}

function valueInfo({ name, type, dims }: TensorInfo, axes: readonly string[]): Uint8Array {
  const shape = dims.map((dim, axis) =>
    bytesField(1, dim < 0 ? bytesField(2, axes[axis] ?? `${name}_${axis}`) : integerField(1, dim)),
  );
  const tensor = concat([integerField(1, ONNX_TYPE[type]), bytesField(2, concat(shape))]);
  return concat([bytesField(1, name), bytesField(2, bytesField(1, tensor))]);
}

/** The runtime's own domain, whose operators multiply quantized matrices. */
const RUNTIME_DOMAIN = 'com.microsoft';

function opset(domain: string, version: number): Uint8Array {
  return bytesField(8, concat([bytesField(1, domain), integerField(2, version)]));
}

/**
 * Writes an ONNX graph step by step: plain operators of opset 20, ir_version 10, and for quantized matrices those of the
 * runtime. The same calls give the same bytes.
 */
export class ModelWriter {
  readonly #nodes: ByteText[] = [];
  readonly #initializers: Uint8Array[] = [];
  readonly #constants = new Map<string, string>();
  #values = 0;
  #usesRuntimeDomain = false;

  /** Adds a node with one output and returns the output's name. */
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}, output?: string) {
    return this.#node(op, '', inputs, attributes, output);
  }

  /** Adds a node of the runtime's own domain; an input that is left out is ''. */
  runtimeNode(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    this.#usesRuntimeDomain = true;
    return this.#node(op, RUNTIME_DOMAIN, inputs, attributes);
  }

  /** A float32 scalar. */
  float(value: number): string {
    const raw = Buffer.alloc(4);
    raw.writeFloatLE(value);
    return this.#constant(`float_${value}`, 'float32', [], raw);
  }

  /** A uint8 scalar. */
  byte(value: number): string {
    return this.#constant(`byte_${value}`, 'uint8', [], Uint8Array.of(value));
  }

  /** An int64 scalar. */
  int(value: number): string {
    const raw = Buffer.alloc(8);
    raw.writeBigInt64LE(BigInt(value));
    return this.#constant(`int_${value}`, 'int64', [], raw);
  }

  /** A vector of int64. */
  ints(values: readonly number[]): string {
    const raw = Buffer.alloc(8 * values.length);
    values.forEach((value, index) => raw.writeBigInt64LE(BigInt(value), 8 * index));
    return this.#constant(`ints_${values.join('_')}`, 'int64', [values.length], raw);
  }

  /** An initializer whose bytes travel with the graph. */
  inlineTensor(name: string, type: OnnxTypeName, dims: readonly number[], raw: Uint8Array): string {
    this.#addInitializer(name, type, dims, bytesField(9, raw));
    return name;
  }

  /** An initializer whose bytes lie in another file. */
  externalTensor(name: string, type: OnnxTypeName, dims: readonly number[], span: FileSpan, bytes: number): string {
    this.#addInitializer(name, type, dims, externalDataFields(span, bytes));
    return name;
  }

  /**
   * The ModelProto.
   *
   * @param inputs their first two dimensions, where they may vary, are batch and sequence; so are those of `outputs`
   * @param own further inputs, whose sizes are nobody else's
   */
  finish(inputs: readonly TensorInfo[], outputs: readonly TensorInfo[], own: readonly TensorInfo[] = []): Uint8Array {
    const axes = ['batch', 'sequence'];
    const graph = concat([
      bytesOf(this.#nodes.join('')),
      bytesField(2, 'modelkeep'),
      ...this.#initializers,
      ...inputs.map((info) => bytesField(11, valueInfo(info, axes))),
      ...own.map((info) => bytesField(11, valueInfo(info, []))),
      ...outputs.map((info) => bytesField(12, valueInfo(info, axes))),
    ]);
    const domains = [opset('', 20), ...(this.#usesRuntimeDomain ? [opset(RUNTIME_DOMAIN, 1)] : [])];
    return concat([integerField(1, 10), bytesField(2, 'modelkeep'), bytesField(7, graph), ...domains]);
  }

  #node(
    op: string,
    domain: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>>,
    output?: string,
  ): string {
    const name = output ?? `${op}_${this.#values++}`;
    let fields = '';
    for (const input of inputs) fields += stringText(1, input);
    fields += stringText(2, name) + stringText(3, name) + stringText(4, op);
    for (const [key, value] of Object.entries(attributes)) fields += attributeText(key, value);
    if (domain !== '') fields += stringText(7, domain);
    this.#nodes.push(messageText(1, fields));
    return name;
  }

  #constant(name: string, type: OnnxTypeName, dims: readonly number[], raw: Uint8Array): string {
    const known = this.#constants.get(name);
    if (known !== undefined) return known;
    this.#constants.set(name, this.inlineTensor(name, type, dims, raw));
    return name;
  }

  #addInitializer(name: string, type: OnnxTypeName, dims: readonly number[], data: Uint8Array): void {
    let head = '';
    for (const dim of dims) head += integerText(1, dim);
    head += integerText(2, ONNX_TYPE[type]) + stringText(8, name);
    this.#initializers.push(bytesField(5, concat([bytesOf(head), data])));
  }
}
