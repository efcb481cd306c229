import { dirname } from 'node:path';
import { ModelkeepError, type Digest, type VersionFiles } from '../../core/index.js';
import type { ModelWriter } from '../onnx/model-writer.js';
import { isFloatDtype, readFloats } from '../float-tensor.js';
import { readSafetensorsHeader } from '../safetensors.js';
import type { SafetensorsDtype, StoredTensor } from '../tensor-table.js';
import { WORD_ROWS, type WordTable } from '../session-plan.js';
import { shardsOf } from '../shards.js';
import type { ModelConfig } from './config.js';
import type { QuantizableMatrix, Quantizer } from './quantizer.js';

/** A tensor and the file that holds it. */
export interface PlacedTensor extends StoredTensor {
  readonly path: string;
}

const GRAPH_TYPE: Partial<Record<SafetensorsDtype, 'float32' | 'float16' | 'bfloat16' | 'float64'>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  F64: 'float64',
};

/** Bytes that are compared at a time. */
const COMPARED_BYTES = 8 * 1024 ** 2;

/** Most bytes of tensors that are put into the graph because they are spread over segments: protobuf ends at 2 GiB. */
const MAX_INLINE_BYTES = 1.5 * 1024 ** 3;

/** Reads the headers of all shards of a checkpoint. @throws ModelkeepError `INVALID_ARTIFACT` */
export async function readTensors(files: VersionFiles): Promise<ReadonlyMap<string, PlacedTensor>> {
  const { shards, weightMap } = await shardsOf(files);
  const tensors = new Map<string, PlacedTensor>();
  for (const path of shards) {
    const read = (start: number, end: number): Promise<Buffer> => files.read(path, { start, end });
    const header = await readSafetensorsHeader(path, files.size(path) ?? 0, read);
    for (const tensor of header.tensors.values()) {
      const other = tensors.get(tensor.name);
      if (other !== undefined) throw invalid(`Tensor "${tensor.name}" is in both ${other.path} and ${path}`);
      tensors.set(tensor.name, { ...tensor, path });
    }
  }
  for (const [name, path] of weightMap) {
    if (tensors.get(name)?.path !== path) throw invalid(`The index says that ${path} has tensor "${name}": it has not`);
  }
  return tensors;
}

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', `${message}. Save the model again`);
}

/** Which part of the checkpoint holds a layer. */
export type Part = 'encoder' | 'head';

/** What {@link Checkpoint} is opened with. */
export interface CheckpointOptions {
  /** The name of the encoder inside models with a head, such as `bert.`: all names of tensors are those of such models. */
  readonly prefix: string;
  readonly config: ModelConfig;
  /** Makes the products with large matrices. @defaultValue they are computed as they were trained */
  readonly quantizer?: Quantizer | undefined;
  /** Bytes from which the table of words is left to whoever runs the graph, where it lies in one piece. @defaultValue Infinity */
  readonly wordsApart?: number | undefined;
}

/** Hands the tensors of a checkpoint to a graph, checks their shapes, and keeps account of which were used. */
export class Checkpoint {
  readonly writer: ModelWriter;
  /** Makes the products with large matrices; undefined: they are computed as they were trained. */
  readonly quantizer: Quantizer | undefined;
  readonly #wordsApart: number;
  readonly #tensors: ReadonlyMap<string, PlacedTensor>;
  readonly #files: VersionFiles;
  readonly #prefix: string;
  readonly #config: ModelConfig;
  readonly #used = new Map<string, string>();
  readonly #quantized = new Set<string>();
  readonly #mapped = new Set<Digest>();
  readonly #late: { name: string; tensor: PlacedTensor }[] = [];
  readonly #ties: (readonly [PlacedTensor, PlacedTensor])[] = [];
  #words: WordTable | undefined;
  #folder: string | undefined;

  /** @param tensors by the names of models with a head */
  constructor(
    writer: ModelWriter,
    files: VersionFiles,
    tensors: ReadonlyMap<string, PlacedTensor>,
    { prefix, config, quantizer, wordsApart = Number.POSITIVE_INFINITY }: CheckpointOptions,
  ) {
    this.#wordsApart = wordsApart;
    this.writer = writer;
    this.quantizer = quantizer;
    this.#config = config;
    this.#files = files;
    this.#tensors = tensors;
    this.#prefix = prefix;
  }

  /** Folder of the external data; undefined before the first tensor is used. */
  get folder(): string | undefined {
    return this.#folder;
  }

  /** Digests of the files that the graph points at, besides those of quantized matrices. */
  get mapped(): ReadonlySet<Digest> {
    return this.#mapped;
  }

  /** True if the encoder has this tensor. */
  has(name: string): boolean {
    return this.#tensors.has(this.#prefix + name);
  }

  /** True if there is a tensor of a head by this name. */
  hasHead(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** A tensor of the encoder as a float32 value of the graph. `-1` in `shape` stands for any size. */
  encoder(name: string, shape: readonly number[]): string {
    return this.#take(this.#prefix + name, shape);
  }

  /** The table that is left to whoever runs the graph, after {@link finish}. */
  get words(): WordTable | undefined {
    return this.#words ?? this.quantizer?.words;
  }

  /** The input for the rows of the table of words; undefined where the graph has to look them up itself. */
  wordRows(name: string, shape: readonly [number, number]): string | undefined {
    const tensor = this.#need(this.#prefix + name);
    const { path, start, end, dtype } = tensor;
    if (end - start < this.#wordsApart) return undefined;
    const matrix = this.quantizer?.embeddings === true ? this.matrix('encoder', name, shape) : undefined;
    if (matrix !== undefined) return this.quantizer?.lookUpApart(matrix);
    const span = this.#files.locate(path, start, end);
    if (span === undefined || !isFloatDtype(dtype)) return undefined;
    this.#check(tensor, shape);
    this.#used.set(this.#prefix + name, WORD_ROWS);
    this.#words = { ...span, rows: shape[0], columns: shape[1], dtype };
    return WORD_ROWS;
  }

  /** A tensor of the head as a float32 value of the graph. */
  head(name: string, shape: readonly number[]): string {
    return this.#take(name, shape);
  }

  /** A matrix to quantize; undefined if it lies in several segments, so that its bytes have no one digest. */
  matrix(part: Part, name: string, shape: readonly [number, number]): QuantizableMatrix | undefined {
    const tensor = this.#need(part === 'encoder' ? this.#prefix + name : name);
    const { path, start, end, dtype } = tensor;
    const span = this.#files.locate(path, start, end);
    if (span?.digest === undefined || dtype === 'F64') return undefined;
    this.#check(tensor, shape);
    this.#folder ??= dirname(span.file);
    this.#quantized.add(part === 'encoder' ? this.#prefix + name : name);
    return {
      name: tensor.name,
      shape,
      dtype,
      source: { digest: span.digest, start: span.offset, end: span.offset + end - start },
      read: () => readFloats(this.#files, path, tensor),
    };
  }

  /** The size of a head tensor's first dimension. @throws ModelkeepError `INVALID_ARTIFACT` if there is no such tensor */
  headRows(name: string): number {
    return this.#need(name).shape[0] ?? 1;
  }

  /** Names of the tensors that no part of the graph uses. */
  get unused(): readonly string[] {
    return [...this.#tensors.keys()].filter((name) => !this.#used.has(name) && !this.#quantized.has(name));
  }

  /**
   * Says that a tensor of the encoder stands for one of the head, too: where a checkpoint has both, they are to be equal.
   */
  mustEqual(encoder: string, head: string): void {
    const [one, other] = [this.#tensors.get(this.#prefix + encoder), this.#tensors.get(head)];
    if (one !== undefined && other !== undefined && one !== other) this.#ties.push([one, other]);
  }

  /**
   * Reads the tensors that {@link mustEqual} speaks of.
   *
   * @throws ModelkeepError `INVALID_ARTIFACT` naming two that differ
   */
  async checkTies(): Promise<void> {
    for (const [one, other] of this.#ties) {
      if (await this.#areEqual(one, other)) continue;
      throw new ModelkeepError(
        'INVALID_ARTIFACT',
        `config.json ties the words of the model (tie_word_embeddings), but the tensors "${one.name}" and "${other.name}" ` +
          'differ, and releases of transformers differ in which they take. Set tie_word_embeddings to false if both are ' +
          'meant, or take one of them out',
      );
    }
  }

  async #areEqual(one: PlacedTensor, other: PlacedTensor): Promise<boolean> {
    const bytes = one.end - one.start;
    if (one.dtype !== other.dtype || bytes !== other.end - other.start) return false;
    for (let at = 0; at < bytes; at += COMPARED_BYTES) {
      const parts = [one, other].map(({ path, start, end }) =>
        this.#files.read(path, { start: start + at, end: Math.min(end, start + at + COMPARED_BYTES) }),
      );
      const [first, second] = await Promise.all(parts);
      if (first === undefined || second === undefined || !first.equals(second)) return false;
    }
    return true;
  }

  /**
   * Reads what had to be put into the graph, and has quantized tensors made.
   *
   * @throws ModelkeepError `UNSUPPORTED_FORMAT` if that is more than a graph can hold
   */
  async finish(): Promise<void> {
    const bytes = this.#late.reduce((sum, { tensor }) => sum + tensor.end - tensor.start, 0);
    if (bytes > MAX_INLINE_BYTES) {
      throw new ModelkeepError(
        'UNSUPPORTED_FORMAT',
        `${bytes} bytes of tensors are spread over several segments and cannot be mapped. Publish the version again`,
      );
    }
    for (const { name, tensor } of this.#late) {
      const raw = await this.#files.read(tensor.path, { start: tensor.start, end: tensor.end });
      this.writer.inlineTensor(name, graphType(tensor), tensor.shape, raw);
    }
    await this.quantizer?.finish();
  }

  #need(name: string): PlacedTensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw invalid(`The model lacks the tensor "${name}" that its architecture needs`);
    return tensor;
  }

  #take(name: string, shape: readonly number[]): string {
    const tensor = this.#need(name);
    this.#check(tensor, shape);
    const known = this.#used.get(name);
    if (known !== undefined) return known;
    const value = this.#place(tensor);
    this.#used.set(name, value);
    return value;
  }

  #check(tensor: PlacedTensor, shape: readonly number[]): void {
    const fits = tensor.shape.length === shape.length && shape.every((dim, i) => dim === -1 || dim === tensor.shape[i]);
    if (!fits) throw this.#contradicts(tensor, shape);
  }

  #contradicts(tensor: PlacedTensor, shape: readonly number[]): ModelkeepError {
    const differing = shape.filter((dim, axis) => dim !== -1 && dim !== tensor.shape[axis]);
    // Sizes of joint layers are multiples of a field.
    const fields = new Set(
      differing.flatMap((dim) => [dim, dim / 2, dim / 3].flatMap((one) => this.#config.fieldsWith(one))),
    );
    const named = fields.size === 0 ? '' : ` (${[...fields].join(', ')})`;
    return invalid(
      `Tensor "${tensor.name}" has the shape [${tensor.shape.join(', ')}], config.json asks for ` +
        `[${shape.join(', ')}]${named}`,
    );
  }

  #place(tensor: PlacedTensor): string {
    const type = graphType(tensor);
    const span = this.#files.locate(tensor.path, tensor.start, tensor.end);
    const folder = span === undefined ? undefined : dirname(span.file);
    if (folder !== undefined) this.#folder ??= folder;
    if (span === undefined || folder !== this.#folder) this.#late.push({ name: tensor.name, tensor });
    else {
      this.writer.externalTensor(tensor.name, type, tensor.shape, span, tensor.end - tensor.start);
      if (span.digest !== undefined) this.#mapped.add(span.digest);
    }
    return type === 'float32' ? tensor.name : this.writer.node('Cast', [tensor.name], { to: { int: 1 } });
  }
}

function graphType(tensor: PlacedTensor): 'float32' | 'float16' | 'bfloat16' | 'float64' {
  const type = GRAPH_TYPE[tensor.dtype];
  if (type !== undefined) return type;
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `Tensor "${tensor.name}" has the dtype ${tensor.dtype}; weights may be ${Object.keys(GRAPH_TYPE).join(', ')}`,
  );
}
