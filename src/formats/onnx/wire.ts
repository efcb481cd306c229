import { ModelkeepError } from '../../core/index.js';

/**
 * The wire form of protocol buffers, as far as ONNX needs it. Our own and small, because a protobuf library wants a
 * whole message in memory, and an ONNX file may hold gigabytes of weights that we only want to know the places of.
 */

/** How a field's value is encoded. */
export const WIRE = Object.freeze({ varint: 0, fixed64: 1, bytes: 2, fixed32: 5 });

/** Varints of small numbers, which nearly all tags and lengths are. */
const SMALL = Array.from({ length: 1_024 }, (_, value) => anyVarint(value));

/** A number as a varint; negative ones as 64-bit two's complement. */
export function varint(value: number | bigint): Uint8Array {
  if (typeof value === 'number' && value >= 0 && value < SMALL.length) return SMALL[value] ?? Uint8Array.of();
  return anyVarint(value);
}

function anyVarint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** A field that holds an integer. */
export function integerField(field: number, value: number | bigint): Uint8Array {
  return concat([varint((field << 3) | WIRE.varint), varint(value)]);
}

/** A field that holds bytes, text, or a message. */
export function bytesField(field: number, value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  return concat([varint((field << 3) | WIRE.bytes), varint(bytes.byteLength), bytes]);
}

/** A field that holds a 32-bit float. */
export function floatField(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return concat([varint((field << 3) | WIRE.fixed32), bytes]);
}

/** The bytes of the parts, one after the other. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

/**
 * Bytes as text, one character of up to U+00FF each. A graph has tens of thousands of fields of a few bytes: the engine
 * puts texts together in a fraction of the time that buffers take.
 */
export type ByteText = string;

const SMALL_TEXTS = SMALL.map((bytes) => byteText(bytes));
const ASCII = /^[\0-\x7f]*$/;

/** Bytes as {@link ByteText}. */
export function byteText(bytes: Uint8Array): ByteText {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** The bytes that a {@link ByteText} stands for. */
export function bytesOf(text: ByteText): Uint8Array {
  return Buffer.from(text, 'latin1');
}

function varintText(value: number): ByteText {
  return SMALL_TEXTS[value] ?? byteText(anyVarint(value));
}

/** {@link integerField} as text. */
export function integerText(field: number, value: number): ByteText {
  return varintText((field << 3) | WIRE.varint) + varintText(value);
}

/** {@link bytesField} of a message, as text. */
export function messageText(field: number, message: ByteText): ByteText {
  return varintText((field << 3) | WIRE.bytes) + varintText(message.length) + message;
}

/** {@link bytesField} of a string, as text. */
export function stringText(field: number, value: string): ByteText {
  return messageText(field, ASCII.test(value) ? value : byteText(Buffer.from(value, 'utf8')));
}

/** One field of a message. */
export interface Field {
  readonly field: number;
  readonly wire: number;
  /** The value of a varint; for other kinds its length in bytes. */
  readonly value: number;
  /** Where the tag begins. */
  readonly at: number;
  /** Where the value begins. */
  readonly start: number;
  /** The byte behind the value. */
  readonly end: number;
}

/** Longest tag and length together: a varint has at most 10 bytes. */
export const MAX_FIELD_HEAD_BYTES = 20;

/** The error of a file that is damaged at a byte. */
export function malformed(what: string, at: number): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `The ONNX file is damaged: ${what} at byte ${at}. Export it again`);
}

function readVarint(bytes: Uint8Array, from: number, base: number): { value: bigint; next: number } {
  let value = 0n;
  for (let index = 0; index < 10; index++) {
    const byte = bytes[from + index];
    if (byte === undefined) throw malformed('a number is cut off', base + from);
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), next: from + index + 1 };
  }
  throw malformed('a number has more than 10 bytes', base + from);
}

/**
 * Reads the tag and length of the field at index `from` of `bytes`, whose index 0 is the byte `base` of the file.
 *
 * @param limit the byte of the file behind the message; no field may pass it
 * @throws ModelkeepError `INVALID_ARTIFACT`
 */
export function readFieldHead(bytes: Uint8Array, from: number, base: number, limit: number): Field {
  const at = base + from;
  const tag = readVarint(bytes, from, base);
  const field = Number(tag.value >> 3n);
  const wire = Number(tag.value & 7n);
  if (field < 1 || field >= 2 ** 29) throw malformed(`field number ${field}`, at);
  if (wire === WIRE.varint) {
    const { value, next } = readVarint(bytes, tag.next, base);
    return checkEnd({
      field,
      wire,
      value: Number(BigInt.asIntN(64, value)),
      at,
      start: base + tag.next,
      end: base + next,
    });
  }
  if (wire === WIRE.fixed32 || wire === WIRE.fixed64) {
    const size = wire === WIRE.fixed32 ? 4 : 8;
    return checkEnd({ field, wire, value: size, at, start: base + tag.next, end: base + tag.next + size });
  }
  if (wire !== WIRE.bytes) throw malformed(`wire type ${wire}`, at);
  const { value, next } = readVarint(bytes, tag.next, base);
  return checkEnd({ field, wire, value: Number(value), at, start: base + next, end: base + next + Number(value) });

  function checkEnd(found: Field): Field {
    if (found.end > limit) throw malformed(`field ${field} claims ${found.value} bytes, past the end`, at);
    return found;
  }
}

/** The fields of a message that is in memory; positions count from its beginning. */
export function* fieldsIn(message: Uint8Array): Generator<Field> {
  for (let at = 0; at < message.byteLength;) {
    const found = readFieldHead(message, at, 0, message.byteLength);
    yield found;
    at = found.end;
  }
}
