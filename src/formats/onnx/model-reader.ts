import { posix } from 'node:path';
import { checkFilePath, ModelkeepError, type VersionFiles } from '../../core/index.js';
import { ByteWindow } from './byte-window.js';
import { fieldsIn, WIRE, type Field } from './wire.js';

/** Most bytes of an ONNX file besides the weights that are mapped: 512 MiB; protobuf itself ends at 2 GiB. */
const MAX_REST_BYTES = 512 * 1024 * 1024;

/** Smallest initializer, in bytes, that is kept outside of the graph. */
export const EXTERNAL_MIN_BYTES = 64 * 1024;

/** Bytes of one of the version's files. */
export interface DataRange {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/** An initializer whose bytes are not to be copied into the graph. */
export interface LargeInitializer {
  readonly name: string;
  /** Fields of its TensorProto that stay as they are. */
  readonly kept: readonly Field[];
  readonly data: DataRange;
}

/** Places of what an ONNX file consists of. */
export interface OnnxModel {
  readonly path: string;
  readonly window: ByteWindow;
  readonly irVersion: number;
  /** Version by domain; `''` is ONNX's own. */
  readonly opsets: ReadonlyMap<string, number>;
  /** Domains of the functions that the file itself defines in terms of other operators. */
  readonly functionDomains: ReadonlySet<string>;
  /** Fields of the ModelProto but the graph. */
  readonly fields: readonly Field[];
  /** Fields of the GraphProto, in order. */
  readonly graph: readonly Field[];
  /** By the position of the field in the graph; see {@link EXTERNAL_MIN_BYTES}. */
  readonly large: ReadonlyMap<number, LargeInitializer>;
}

function invalid(path: string, what: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${path}: ${what}. Export the model again`);
}

/**
 * Reads the structure of an ONNX file; large weights are not read, so memory does not grow with them.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if the file is damaged or its external data leaves its folder
 */
export async function readOnnxModel(files: VersionFiles, path: string): Promise<OnnxModel> {
  const window = new ByteWindow(files, path);
  const all = await window.fields(0, window.size);
  const graphs = all.filter(({ field, wire }) => field === 7 && wire === WIRE.bytes);
  const [graphField] = graphs;
  if (graphField === undefined || graphs.length > 1) throw invalid(path, `it has ${graphs.length} graphs, not 1`);
  const opsets = new Map<string, number>();
  const functionDomains = new Set<string>();
  for (const { field, start, end } of all) {
    if (field === 8) readOpset(await window.bytes(start, end), opsets);
    if (field === 25) functionDomains.add(functionDomain(await window.bytes(start, end)));
  }
  const graph = await window.fields(graphField.start, graphField.end);
  const large = new Map<number, LargeInitializer>();
  let rest = window.size;
  for (const field of graph) {
    if (field.field !== 5 || field.wire !== WIRE.bytes) continue;
    const tensor = await readInitializer(files, window, path, field);
    if (tensor === undefined) continue;
    large.set(field.at, tensor);
    if (tensor.data.path === path) rest -= tensor.data.end - tensor.data.start;
  }
  if (rest > MAX_REST_BYTES) {
    throw invalid(path, `it has ${rest} bytes besides its large weights, at most ${MAX_REST_BYTES} are read`);
  }
  return {
    path,
    window,
    irVersion: all.find(({ field }) => field === 1)?.value ?? 0,
    opsets,
    functionDomains,
    fields: all.filter((field) => field !== graphField),
    graph,
    large,
  };
}

function readOpset(message: Buffer, opsets: Map<string, number>): void {
  let domain = '';
  let version = 0;
  for (const { field, start, end, value } of fieldsIn(message)) {
    if (field === 1) domain = message.toString('utf8', start, end);
    if (field === 2) version = value;
  }
  opsets.set(domain === 'ai.onnx' ? '' : domain, version);
}

function functionDomain(message: Buffer): string {
  for (const { field, start, end } of fieldsIn(message)) if (field === 10) return message.toString('utf8', start, end);
  return '';
}

/**
 * The files beside an ONNX model that hold its external data, as paths relative to `path`'s root; they need not exist.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if the file is damaged, or a location is absolute or has `..`
 */
export async function externalFilesOf(files: VersionFiles, path: string): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const anyFile: VersionFiles = {
    ...files,
    size: (name) => {
      if (name === path) return files.size(name);
      found.add(name);
      return Number.MAX_SAFE_INTEGER;
    },
  };
  await readOnnxModel(anyFile, path);
  return found;
}

async function readInitializer(
  files: VersionFiles,
  window: ByteWindow,
  path: string,
  { start, end }: Field,
): Promise<LargeInitializer | undefined> {
  const fields = await window.fields(start, end);
  const nameField = fields.find(({ field }) => field === 8);
  const name = nameField === undefined ? '' : await window.text(nameField);
  const kept = fields.filter(({ field }) => field !== 9 && field !== 13 && field !== 14);
  if (fields.some(({ field, value }) => field === 14 && value === 1)) {
    const entries = new Map<string, string>();
    for (const field of fields) {
      if (field.field === 13) readEntry(await window.bytes(field.start, field.end), entries);
    }
    return { name, kept, data: externalRange(files, path, name, entries) };
  }
  const raw = fields.find(({ field, wire }) => field === 9 && wire === WIRE.bytes);
  if (raw === undefined || raw.end - raw.start < EXTERNAL_MIN_BYTES) return undefined;
  return { name, kept, data: { path, start: raw.start, end: raw.end } };
}

function readEntry(message: Buffer, entries: Map<string, string>): void {
  let key = '';
  let value = '';
  for (const { field, start, end } of fieldsIn(message)) {
    if (field === 1) key = message.toString('utf8', start, end);
    if (field === 2) value = message.toString('utf8', start, end);
  }
  entries.set(key, value);
}

function externalRange(
  files: VersionFiles,
  model: string,
  name: string,
  entries: ReadonlyMap<string, string>,
): DataRange {
  const location = entries.get('location') ?? '';
  const path = posix.join(posix.dirname(model), checkFilePath(location));
  const size = files.size(path);
  if (size === undefined) throw invalid(model, `initializer "${name}" has its data in ${path}, which is missing`);
  const start = Number(entries.get('offset') ?? 0);
  const length = Number(entries.get('length') ?? size - start);
  const fits = Number.isSafeInteger(start) && Number.isSafeInteger(length) && start >= 0 && length >= 0;
  if (fits && start + length <= size) return { path, start, end: start + length };
  throw invalid(
    model,
    `initializer "${name}": offset ${start} and length ${length} leave the ${size} bytes of ${path}`,
  );
}
