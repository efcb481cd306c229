import { open, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { CompiledFile } from '../../cache/index.js';
import { createDigester, digestHex, ModelkeepError, type Digest } from '../../core/index.js';
import { bytesField, fieldsIn } from '../../formats/index.js';

/** Name of the compiled graph in its folder; its tensors lie beside it. */
export const COMPILED_GRAPH = 'model.onnx';
/** Pre-packed buffers are mapped, so they begin at pages: the runtime refuses other offsets. */
const PAGE_BYTES = 4_096;

/** Fields of ModelProto, GraphProto, TensorProto and StringStringEntryProto in onnx.proto. */
const FIELD = Object.freeze({ graph: 7, initializer: 5, externalData: 13, key: 1, value: 2 });

interface Part {
  readonly field: number;
  readonly whole: Buffer;
  readonly value: Buffer;
}

/** The fields of a message that the runtime wrote itself. */
function partsOf(message: Buffer): readonly Part[] {
  return [...fieldsIn(message)].map(({ field, at, start, end }) => ({
    field,
    whole: message.subarray(at, end),
    value: message.subarray(start, end),
  }));
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

  /** Writes the file under the name of its digest, 64 hexadecimal digits. */
  async write(folder: string): Promise<CompiledFile> {
    const digest = digestOfAll(this.#chunks);
    const name = digestHex(digest);
    // At the pace of this process, whose priority is low, instead of many at once by the system, beside requests.
    await writeFile(join(folder, name), this.#chunks, { flush: true });
    return { name, size: this.#size, digest };
  }
}

function digestOfAll(chunks: readonly Uint8Array[]): Digest {
  const digester = createDigester();
  for (const chunk of chunks) digester.update(chunk);
  return digester.finish();
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

/** Where {@link splitCompiled} takes bytes from, and what it has written. */
interface Splitting {
  readonly source: FileHandle;
  readonly folder: string;
  /** By name: equal tensors are one file. */
  readonly written: Map<string, CompiledFile>;
}

/** An initializer that points at a file of its own. */
async function splitTensor(tensor: Buffer, { source, folder, written }: Splitting): Promise<Buffer> {
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
  const own = await file.write(folder);
  written.set(own.name, own);
  const named = [['location', own.name] as const, ...moved];
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
 * @returns the files that it wrote
 * @throws ModelkeepError `INVALID_ARTIFACT` or `LOAD_FAILED` if what the runtime wrote is cut off or damaged
 */
export async function splitCompiled(graph: string, weights: string, folder: string): Promise<readonly CompiledFile[]> {
  const source = await open(weights, 'a+');
  const written = new Map<string, CompiledFile>();
  try {
    const model: Uint8Array[] = [];
    for (const part of partsOf(await readFile(graph))) {
      if (part.field !== FIELD.graph) {
        model.push(part.whole);
        continue;
      }
      const inner: Uint8Array[] = [];
      for (const one of partsOf(part.value)) {
        if (one.field !== FIELD.initializer) inner.push(one.whole);
        else inner.push(bytesField(FIELD.initializer, await splitTensor(one.value, { source, folder, written })));
      }
      model.push(bytesField(FIELD.graph, Buffer.concat(inner)));
    }
    await writeFile(join(folder, COMPILED_GRAPH), model);
    const size = model.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return [{ name: COMPILED_GRAPH, size, digest: digestOfAll(model) }, ...written.values()];
  } finally {
    await source.close();
  }
}
