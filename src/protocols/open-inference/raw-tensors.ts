import { isUtf8 } from 'node:buffer';
import { ELEMENT_ARRAYS, ModelkeepError, type ElementArrayClass, type Tensor } from '../../core/index.js';
import { BFLOAT16, DATATYPE_NAMES, elementsOf, typeOf, type TensorHead } from './datatypes.js';

/**
 * The raw form of tensors, which the binary tensor extension of REST and the raw contents of gRPC share: elements in
 * row-major order, little-endian, without padding; each element of BYTES behind its length (u32).
 */
const LENGTH_BYTES = 4;
const BFLOAT16_BYTES = 2;

function wrong({ name }: TensorHead, why: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', `Input "${name}" ${why}`);
}

/**
 * Reads a tensor. Its elements stay where they are if they lie as the processor wants them, else they are copied once.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming the input: an unknown datatype, bytes that are not as many as datatype
 * and shape make, a BOOL that is neither 0 nor 1, an element of BYTES that is cut off or no UTF-8
 */
export function tensorFromRaw(head: TensorHead, bytes: Buffer): Tensor {
  const { datatype, shape } = head;
  if (datatype === BFLOAT16) return { type: 'float32', dims: shape, data: widened(head, bytes) };
  const type = typeOf(datatype);
  if (type === undefined) {
    throw wrong(head, `has the datatype "${datatype.slice(0, 40)}"; known are ${DATATYPE_NAMES.join(', ')}`);
  }
  if (type === 'string') return { type, dims: shape, data: strings(head, bytes) };
  const array = ELEMENT_ARRAYS[type];
  checkLength(head, bytes, array.BYTES_PER_ELEMENT);
  if (type === 'bool') checkBooleans(head, bytes);
  return { type, dims: shape, data: viewOf(array, bytes) };
}

function checkLength(head: TensorHead, bytes: Buffer, elementBytes: number): void {
  const wanted = elementsOf(head.shape) * elementBytes;
  if (bytes.byteLength === wanted) return;
  const { datatype, shape } = head;
  throw wrong(head, `has ${bytes.byteLength} bytes, ${datatype} of the shape [${shape.join(', ')}] makes ${wanted}`);
}

function viewOf(array: ElementArrayClass, bytes: Buffer): Exclude<Tensor['data'], readonly string[]> {
  const { BYTES_PER_ELEMENT: size } = array;
  if (bytes.byteOffset % size === 0) return new array(bytes.buffer, bytes.byteOffset, bytes.byteLength / size);
  return new array(Uint8Array.from(bytes).buffer);
}

function checkBooleans(head: TensorHead, bytes: Buffer): void {
  const at = bytes.findIndex((byte) => byte > 1);
  if (at >= 0) throw wrong(head, `has the value ${bytes[at]} at ${at}: a BOOL is one byte, 0 or 1`);
}

function widened(head: TensorHead, bytes: Buffer): Float32Array {
  checkLength(head, bytes, BFLOAT16_BYTES);
  const bits = new Uint32Array(bytes.byteLength / BFLOAT16_BYTES);
  for (let at = 0; at < bits.length; at++) bits[at] = bytes.readUInt16LE(at * BFLOAT16_BYTES) << 16;
  return new Float32Array(bits.buffer);
}

function strings(head: TensorHead, bytes: Buffer): readonly string[] {
  const { shape } = head;
  const count = elementsOf(shape);
  const texts: string[] = [];
  let at = 0;
  // Ends with the bytes, whatever number of elements a shape pretends.
  while (at < bytes.byteLength) {
    const begin = at + LENGTH_BYTES;
    const end = begin > bytes.byteLength ? Number.POSITIVE_INFINITY : begin + bytes.readUInt32LE(at);
    if (end > bytes.byteLength) throw wrong(head, `is cut off in element ${texts.length} of its BYTES`);
    texts.push(textOf(head, bytes.subarray(begin, end), texts.length));
    at = end;
  }
  if (texts.length === count) return texts;
  throw wrong(head, `has ${texts.length} elements of BYTES, its shape [${shape.join(', ')}] makes ${count}`);
}

/** The text of one element of BYTES. @throws ModelkeepError `INVALID_INPUT` naming input and element if it is no UTF-8 */
export function textOf(head: TensorHead, bytes: Uint8Array, element: number): string {
  if (isUtf8(bytes)) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  throw wrong(head, `has no UTF-8 in element ${element}: texts are sent as UTF-8`);
}

/** The raw form of a tensor; of numbers the elements themselves, not a copy. */
export function rawOf({ type, data }: Tensor): Buffer {
  if (type !== 'string') {
    const { buffer, byteOffset, byteLength } = data as Exclude<Tensor['data'], readonly string[]>;
    return Buffer.from(buffer, byteOffset, byteLength);
  }
  const texts = data as readonly string[];
  const lengths = texts.map((text) => Buffer.byteLength(text, 'utf8'));
  const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + LENGTH_BYTES + length, 0));
  let at = 0;
  texts.forEach((text, index) => {
    at = bytes.writeUInt32LE(lengths[index] ?? 0, at);
    at += bytes.write(text, at, 'utf8');
  });
  return bytes;
}
