import { createHash } from 'node:crypto';
import { open, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelkeepError } from '../../core/index.js';

/** Name of the compiled graph in its folder; its tensors lie beside it. */
export const COMPILED_GRAPH = 'model.onnx';
/** Pre-packed buffers are mapped, so they begin at pages: the runtime refuses other offsets. */
const PAGE_BYTES = 4_096;

/** Fields of ModelProto, GraphProto, TensorProto and StringStringEntryProto in onnx.proto. */
const FIELD = Object.freeze({ graph: 7, initializer: 5, externalData: 13, key: 1, value: 2 });
const BYTES = 2;

interface Part {
  readonly field: number;
  readonly whole: Buffer;
  readonly value: Buffer;
}

function varintAt(bytes: Buffer, from: number): { readonly value: number; readonly next: number } {
  let value = 0;
  let scale = 1;
  for (let at = from; at < bytes.length; at++, scale *= 128) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, next: at + 1 };
  }
  throw new ModelkeepError('LOAD_FAILED', 'The graph that the runtime wrote is cut off: compile the version again');
}

/** Size of a value whose kind is a fixed number of bytes, by wire type. */
const FIXED = new Map([
  [1, 8],
  [5, 4],
]);

/** The fields of a message that the runtime wrote itself. */
function partsOf(message: Buffer): readonly Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < message.length;) {
    const tag = varintAt(message, at);
    const wire = tag.value % 8;
    const head = wire === 0 || wire === BYTES ? varintAt(message, tag.next) : tag;
    const start = wire === BYTES ? head.next : tag.next;
    const end = wire === BYTES ? start + head.value : wire === 0 ? head.next : start + (FIXED.get(wire) ?? 0);
    if (end > message.length || end === at) {
      throw new ModelkeepError('LOAD_FAILED', 'The graph that the runtime wrote is damaged: compile the version again');
    }
    parts.push({
      field: Math.floor(tag.value / 8),
      whole: message.subarray(at, end),
      value: message.subarray(start, end),
    });
    at = end;
  }
  return parts;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

function bytesField(field: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(field * 8 + BYTES), varint(bytes.length), bytes]);
}

function entryOf(message: Buffer): readonly [string, string] {
  const parts = partsOf(message);
  const text = (field: number): string => parts.find((part) => part.field === field)?.value.toString('utf8') ?? '';
  return [text(FIELD.key), text(FIELD.value)];
}

/** Bytes of one file to be: pieces of the runtime's file, each at its place in the new one. */
class TensorFile {
  readonly #chunks: Buffer[] = [];
  #size = 0;

  /** Adds bytes at the next multiple of `alignment`; where they begin. */
  add(bytes: Buffer, alignment: number): number {
    const gap = (alignment - (this.#size % alignment)) % alignment;
    if (gap > 0) this.#chunks.push(Buffer.alloc(gap));
    const at = this.#size + gap;
    this.#chunks.push(bytes);
    this.#size = at + bytes.length;
    return at;
  }

  /** Writes the file under the name of its digest, 64 hexadecimal digits, unless it is there. */
  async write(folder: string): Promise<string> {
    const hash = createHash('sha256');
    for (const chunk of this.#chunks) hash.update(chunk);
    const name = hash.digest('hex');
    await writeFile(join(folder, name), this.#chunks);
    return name;
  }
}

async function read(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, offset);
  if (bytesRead === length) return bytes;
  throw new ModelkeepError('LOAD_FAILED', `The runtime's file of weights ends before byte ${offset + length}`);
}

/**
 * Copies the blobs of a pre-packed entry, `"<op>+<hash>|<offset>;<length>;<flag>|…"`, and says where they went, in the
 * same form (onnxruntime's external_data_info.cc writes and reads it).
 */
async function movePrepacked(value: string, source: FileHandle, into: TensorFile): Promise<string> {
  const [key = '', ...blobs] = value.split('|');
  const moved: string[] = [];
  for (const blob of blobs) {
    const [offset = '', length = '', ...flags] = blob.split(';');
    const at = into.add(await read(source, Number(offset), Number(length)), PAGE_BYTES);
    moved.push([at, length, ...flags].join(';'));
  }
  return [key, ...moved].join('|');
}

/** An initializer that points at a file of its own. */
async function splitTensor(tensor: Buffer, source: FileHandle, folder: string): Promise<Buffer> {
  const parts = partsOf(tensor);
  const entries = parts.filter(({ field }) => field === FIELD.externalData).map(({ value }) => entryOf(value));
  if (entries.length === 0) return tensor;
  const at = new Map(entries);
  const file = new TensorFile();
  const moved: (readonly [string, string])[] = [];
  const length = Number(at.get('length'));
  moved.push(['offset', String(file.add(await read(source, Number(at.get('offset') ?? 0), length), PAGE_BYTES))]);
  moved.push(['length', String(length)]);
  for (const [key, value] of entries) {
    if (key.startsWith('prepacked_')) moved.push([key, await movePrepacked(value, source, file)]);
  }
  const named = [['location', await file.write(folder)] as const, ...moved];
  const kept = parts.filter(({ field }) => field !== FIELD.externalData).map(({ whole }) => whole);
  const pointers = named.map(([key, value]) =>
    bytesField(FIELD.externalData, Buffer.concat([bytesField(FIELD.key, key), bytesField(FIELD.value, value)])),
  );
  return Buffer.concat([...kept, ...pointers]);
}

/**
 * Cuts what the runtime wrote (a graph and one file of weights) into a graph and one file per distinct tensor, each
 * with its pre-packed form behind it and named by the sha256 of all of it, so that versions can share them.
 *
 * @param graph path of the graph
 * @param weights path of the one file that its initializers point at; it need not exist if none does
 * @param folder where {@link COMPILED_GRAPH} and the tensors are written
 * @throws ModelkeepError `LOAD_FAILED` if the runtime's files are not as expected
 */
export async function splitCompiled(graph: string, weights: string, folder: string): Promise<void> {
  const source = await open(weights, 'a+');
  try {
    const model: Buffer[] = [];
    for (const part of partsOf(await readFile(graph))) {
      if (part.field !== FIELD.graph) {
        model.push(part.whole);
        continue;
      }
      const inner: Buffer[] = [];
      for (const one of partsOf(part.value)) {
        if (one.field !== FIELD.initializer) inner.push(one.whole);
        else inner.push(bytesField(FIELD.initializer, await splitTensor(one.value, source, folder)));
      }
      model.push(bytesField(FIELD.graph, Buffer.concat(inner)));
    }
    await writeFile(join(folder, COMPILED_GRAPH), model);
  } finally {
    await source.close();
  }
}
