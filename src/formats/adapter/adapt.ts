import {
  ModelkeepError,
  type DeriveTensor,
  type DerivedTensor,
  type SourceBytes,
  type TensorRecipe,
  type VersionFiles,
} from '../../core/index.js';
import { readFloats } from '../float-tensor.js';
import type { PlacedTensor } from '../graphs/checkpoint.js';
import type { TensorNames } from '../graphs/tensor-names.js';
import type { StoredTensor } from '../tensor-table.js';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, readLoraConfig } from './lora-config.js';
import { readLoraTensors, type LoraPair } from './lora-tensors.js';
import { mergeLora } from './merge.js';

/** Changes when the arithmetic of merging does: tensors of another edition are not found. */
const EDITION = 1;
/** Paths of merged tensors, which lie in no file of the version: no file can have such a name. */
const MERGED = '\0merged/';

/** A checkpoint as its adapter makes it. */
export interface Adapted {
  readonly tensors: ReadonlyMap<string, PlacedTensor>;
  /** The version's files, and the merged tensors as files of their own. */
  readonly files: VersionFiles;
  /** Tensors that the adapter touches: the architecture must use each. */
  readonly touched: ReadonlySet<string>;
  /** Heads of the base model, which the adapter may have replaced by one of another kind. */
  readonly formerHeads: ReadonlySet<string>;
}

/** A merged tensor: where it lies, or how it is made where there is no cache to keep it in. */
interface Merged {
  readonly size: number;
  readonly span?: DerivedTensor;
  readonly make: () => Promise<Uint8Array>;
}

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', message);
}

/** True if a version has an adapter beside its weights. */
export function hasAdapter(files: VersionFiles): boolean {
  return files.size(ADAPTER_CONFIG_FILE) !== undefined;
}

/** How the tensors of the base are named. */
export interface BaseNames {
  /** Gives the names of an adapter the form that those of the base have. */
  readonly naming: Pick<TensorNames, 'of'>;
  /** Name of the encoder, such as `bert.`. */
  readonly prefix: string;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** What is merged: a layer's weight of the base and the adapter's pair. */
interface Merge {
  readonly base: PlacedTensor;
  readonly pair: LoraPair;
  readonly scale: number;
}

function checkShapes({ base, pair: { module, a, b, isEmbedding } }: Merge): void {
  const product = [b.shape[0], a.shape[1]];
  const [rows, columns] = isEmbedding ? product.toReversed() : product;
  if (base.shape.length === 2 && base.shape[0] === rows && base.shape[1] === columns) return;
  throw invalid(
    `The adapter changes "${module}" by [${rows}, ${columns}], but tensor "${base.name}" of the base has the shape ` +
      `[${base.shape.join(', ')}]. Name the base that it was trained on`,
  );
}

function recipeOf(files: VersionFiles, merge: Merge): TensorRecipe & { readonly hasSources: boolean } {
  const { base, pair, scale } = merge;
  const { a, b, isEmbedding } = pair;
  const place = (path: string, { start, end }: StoredTensor): SourceBytes | undefined => {
    const span = files.locate(path, start, end);
    return span?.digest === undefined
      ? undefined
      : { digest: span.digest, start: span.offset, end: span.offset + end - start };
  };
  const sources = [place(base.path, base), place(ADAPTER_WEIGHTS_FILE, a), place(ADAPTER_WEIGHTS_FILE, b)];
  const known = sources.filter((source) => source !== undefined);
  const shapes = [base, a, b].map(({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`).join(' + ');
  return {
    recipe: `LoRA ${isEmbedding ? 'embedding' : 'linear'} ${shapes}, scale ${scale}, edition ${EDITION}`,
    sources: known,
    hasSources: known.length === sources.length,
    make: async () => {
      const weight = await readFloats(files, base.path, base);
      const factors = {
        a: await readFloats(files, ADAPTER_WEIGHTS_FILE, a),
        b: await readFloats(files, ADAPTER_WEIGHTS_FILE, b),
      };
      const rank = a.shape[0] ?? 1;
      return bytesOf(mergeLora(weight, { ...factors, rank, scale, transposed: isEmbedding }));
    },
  };
}

/** The version's files with merged tensors among them. */
function withMerged(files: VersionFiles, merged: ReadonlyMap<string, Merged>): VersionFiles {
  return {
    paths: files.paths,
    size: (path) => merged.get(path)?.size ?? files.size(path),
    contentOf: (path) => (merged.has(path) ? undefined : files.contentOf(path)),
    read: async (path, range = {}, options = {}) => {
      const tensor = merged.get(path);
      if (tensor === undefined) return files.read(path, range, options);
      return Buffer.from(await tensor.make()).subarray(range.start, range.end);
    },
    locate: (path, start, end) => {
      const tensor = merged.get(path);
      if (tensor === undefined) return files.locate(path, start, end);
      return tensor.span === undefined ? undefined : { ...tensor.span, offset: tensor.span.offset + start };
    },
  };
}

/**
 * Merges the adapter of a version into the tensors that it touches; all others stay those of the base.
 *
 * @param tensors by the names of models with a head, as all names of what is returned are
 * @param derive keeps merged tensors by content. Absent: they are made whenever they are read
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for an adapter that is not supported; `INVALID_ARTIFACT` if it is damaged
 * or does not fit the base, naming the layer
 */
export async function adaptCheckpoint(
  files: VersionFiles,
  tensors: ReadonlyMap<string, PlacedTensor>,
  { naming, prefix }: BaseNames,
  derive?: DeriveTensor,
): Promise<Adapted> {
  const config = await readLoraConfig(files);
  const { pairs, replacements } = await readLoraTensors(files);
  const formerHeads = new Set([...tensors.keys()].filter((name) => !name.startsWith(prefix)));
  const adapted = new Map(tensors);
  const touched = new Set<string>();
  for (const [name, tensor] of replacements) {
    const place = naming.of(name);
    adapted.set(place, { ...tensor, name: place, path: ADAPTER_WEIGHTS_FILE });
    touched.add(place);
  }
  const merged = new Map<string, Merged>();
  for (const pair of pairs) {
    const name = naming.of(`${pair.module}.weight`);
    const base = adapted.get(name);
    if (base === undefined)
      throw invalid(
        `The adapter changes "${pair.module}", which the base does not have. Name the base it was trained on`,
      );
    const merge = { base, pair, scale: config.scale(pair.module, pair.a.shape[0] ?? 1) };
    checkShapes(merge);
    const { hasSources, ...recipe } = recipeOf(files, merge);
    const path = MERGED + name;
    const size = 4 * base.shape.reduce((product, dim) => product * dim, 1);
    const span = derive !== undefined && hasSources ? await derive(recipe) : undefined;
    merged.set(path, { size, make: recipe.make, ...(span === undefined ? {} : { span }) });
    adapted.set(name, { name, path, dtype: 'F32', shape: base.shape, start: 0, end: size });
    touched.add(name);
  }
  return { tensors: adapted, files: withMerged(files, merged), touched, formerHeads };
}
