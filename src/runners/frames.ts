import { ELEMENT_ARRAYS, ModelkeepError, type Tensor, type TensorData, type TensorType } from '../core/index.js';

/**
 * The frame protocol between a node and its runners, whatever language they are written in:
 *
 *   u32 LE  bytes of the header       u32 LE  bytes of the body
 *   header  UTF-8 JSON                body    tensor bytes, little-endian, as the header's `tensors` say
 *
 * A string tensor travels in the header, everything else in the body.
 */
const PREFIX_BYTES = 8;
/** Largest header: 256 MiB of JSON; a request of the largest allowed text stays far below. */
const MAX_HEADER_BYTES = 256 * 1024 * 1024;
/** Largest body: 1 GiB of tensors. */
const MAX_BODY_BYTES = 1024 * 1024 * 1024;

/** Tensors by name. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** One message in either direction. */
export interface Frame {
  readonly header: Readonly<Record<string, unknown>>;
  readonly tensors: Tensors;
}

interface TensorPlace {
  readonly name: string;
  readonly type: TensorType;
  readonly dims: readonly number[];
  readonly offset: number;
  readonly bytes: number;
  readonly strings?: readonly string[];
}

function bytesOf(data: Exclude<TensorData, readonly string[]>): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** The bytes of a frame, as chunks to be written in order. */
export function encodeFrame(header: Readonly<Record<string, unknown>>, tensors: Tensors = {}): Buffer[] {
  const places: TensorPlace[] = [];
  const body: Buffer[] = [];
  let offset = 0;
  for (const [name, { type, dims, data }] of Object.entries(tensors)) {
    if (type === 'string') {
      places.push({ name, type, dims, offset, bytes: 0, strings: data as readonly string[] });
      continue;
    }
    const bytes = bytesOf(data as Exclude<TensorData, readonly string[]>);
    places.push({ name, type, dims, offset, bytes: bytes.byteLength });
    body.push(bytes);
    offset += bytes.byteLength;
  }
  const json = Buffer.from(JSON.stringify(places.length === 0 ? header : { ...header, tensors: places }), 'utf8');
  if (json.byteLength > MAX_HEADER_BYTES || offset > MAX_BODY_BYTES) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `A message of ${json.byteLength + offset} bytes is too large for a runner`,
    );
  }
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  prefix.writeUInt32LE(json.byteLength, 0);
  prefix.writeUInt32LE(offset, 4);
  return [prefix, json, ...body];
}

/** True if the bytes lie in the body and are as many as the type and dimensions make. */
function fits({ name, type, dims, offset, bytes, strings }: TensorPlace, body: Buffer): boolean {
  if (typeof name !== 'string' || typeof type !== 'string') return false;
  if (!Array.isArray(dims) || !dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) return false;
  const elements = dims.reduce((product, dim) => product * dim, 1);
  if (type === 'string') {
    return Array.isArray(strings) && strings.length === elements && strings.every((text) => typeof text === 'string');
  }
  if (!Object.hasOwn(ELEMENT_ARRAYS, type) || bytes !== elements * ELEMENT_ARRAYS[type].BYTES_PER_ELEMENT) return false;
  return Number.isSafeInteger(offset) && offset >= 0 && offset + bytes <= body.byteLength;
}

function decodeTensor(place: TensorPlace, body: Buffer): Tensor {
  const { name, type, dims } = place;
  if (!fits(place, body)) {
    throw new ModelkeepError(
      'RUNNER_CRASHED',
      `Tensor ${JSON.stringify(name)} does not fit its frame of ${body.byteLength} bytes`,
    );
  }
  if (type === 'string') return { type, dims, data: place.strings ?? [] };
  // Copied: the body's place in the pool buffer need not be aligned for the element type.
  const copy = new ArrayBuffer(place.bytes);
  body.copy(new Uint8Array(copy), 0, place.offset, place.offset + place.bytes);
  return { type, dims, data: new ELEMENT_ARRAYS[type](copy) };
}

function parseHeader(json: Buffer): Record<string, unknown> & { readonly tensors?: unknown } {
  try {
    const header: unknown = JSON.parse(json.toString('utf8'));
    if (typeof header === 'object' && header !== null) return header as Record<string, unknown>;
  } catch (error) {
    throw new ModelkeepError('RUNNER_CRASHED', "A frame's header is no JSON", { cause: error });
  }
  throw new ModelkeepError('RUNNER_CRASHED', "A frame's header is no JSON object");
}

function decodeFrame(json: Buffer, body: Buffer): Frame {
  const { tensors: places, ...header } = parseHeader(json);
  if (places === undefined) return { header, tensors: {} };
  if (!Array.isArray(places) || places.some((place) => typeof place !== 'object' || place === null)) {
    throw new ModelkeepError('RUNNER_CRASHED', "A frame's tensors are no list of places");
  }
  return { header, tensors: Object.fromEntries(places.map((place) => [place.name, decodeTensor(place, body)])) };
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #buffered = 0;

  /**
   * Takes the next bytes and returns the frames that they complete.
   *
   * @throws ModelkeepError `RUNNER_CRASHED` if the stream is not made of frames
   */
  push(chunk: Buffer): Frame[] {
    this.#chunks.push(chunk);
    this.#buffered += chunk.byteLength;
    const frames: Frame[] = [];
    for (;;) {
      const frame = this.#next();
      if (frame === undefined) return frames;
      frames.push(frame);
    }
  }

  #next(): Frame | undefined {
    if (this.#buffered < PREFIX_BYTES) return undefined;
    const prefix = this.#peek(PREFIX_BYTES);
    const headerBytes = prefix.readUInt32LE(0);
    const bodyBytes = prefix.readUInt32LE(4);
    if (headerBytes > MAX_HEADER_BYTES || bodyBytes > MAX_BODY_BYTES) {
      throw new ModelkeepError('RUNNER_CRASHED', `A runner announced a frame of ${headerBytes} + ${bodyBytes} bytes`);
    }
    const total = PREFIX_BYTES + headerBytes + bodyBytes;
    if (this.#buffered < total) return undefined;
    const whole = this.#peek(total);
    this.#consume(total);
    const body = PREFIX_BYTES + headerBytes;
    return decodeFrame(whole.subarray(PREFIX_BYTES, body), whole.subarray(body, total));
  }

  #consume(bytes: number): void {
    this.#buffered -= bytes;
    const [first, ...rest] = this.#chunks;
    const left = first?.subarray(bytes) ?? Buffer.alloc(0);
    this.#chunks = left.byteLength === 0 ? rest : [left, ...rest];
  }

  /** The first `bytes` bytes; joins chunks only when a frame spans them. */
  #peek(bytes: number): Buffer {
    if (this.#chunks.length > 1 && this.#chunks[0]!.byteLength < bytes) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!.subarray(0, bytes);
  }
}
