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
import type { FamilyNames } from '../graphs/family.js';
import type { TensorNames } from '../graphs/tensor-names.js';
import type { StoredTensor } from '../tensor-table.js';
import type { Adapter } from './adapter.js';
import { changesOf, type Change } from './changes.js';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, MERGE_IT } from './refusal.js';

/** Changes when the arithmetic of merging does: tensors of another edition are not found. */
const EDITION = 3;
/** Paths of merged tensors, which lie in no file of the version: no file can have such a name. */
const MERGED = '\0merged/';

/** A checkpoint as its adapter makes it. */
export interface Adapted {
  readonly tensors: ReadonlyMap<string, PlacedTensor>;
  /** The version's files, and the merged tensors as files of their own. */
  readonly files: VersionFiles;
  /** Tensors beside the encoder that the adapter touches: the architecture must use each. */
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

/** How the tensors of the base are named. */
export interface BaseNames {
  /** Gives the names of an adapter the form that those of the base have. */
  readonly naming: Pick<TensorNames, 'of'>;
  readonly names: FamilyNames;
  /** True if the decoder of a masked language model is the table of words. */
  readonly isTied: boolean;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function recipeOf(
  files: VersionFiles,
  base: PlacedTensor,
  changes: readonly Change[],
): TensorRecipe & { readonly hasSources: boolean } {
  const place = (path: string, { start, end }: StoredTensor): SourceBytes | undefined => {
    const span = files.locate(path, start, end);
    return span?.digest === undefined
      ? undefined
      : { digest: span.digest, start: span.offset, end: span.offset + end - start };
  };
  const needs = changes.flatMap((change) => change.needs);
  const sources = [place(base.path, base), ...needs.map((tensor) => place(ADAPTER_WEIGHTS_FILE, tensor))];
  const known = sources.filter((source) => source !== undefined);
  const shapes = [base, ...needs].map(({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`).join(' + ');
  return {
    recipe: `${changes.map(({ recipe }) => recipe).join('; ')}: ${shapes}, edition ${EDITION}`,
    sources: known,
    hasSources: known.length === sources.length,
    make: async () => {
      let weight = await readFloats(files, base.path, base);
      for (const change of changes) {
        const needed: Float32Array[] = [];
        for (const tensor of change.needs) needed.push(await readFloats(files, ADAPTER_WEIGHTS_FILE, tensor));
        weight = change.make(weight, needed);
      }
      return bytesOf(weight);
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

/** True if a tensor is of a module. */
function isOf(name: string, module: string): boolean {
  return `.${name}`.includes(`.${module}.`);
}

/** Each module that is to be in the weights as a whole is there, unless the base has none of the name. */
function checkWhole(
  { config, tensors }: Adapter,
  base: ReadonlyMap<string, PlacedTensor>,
  naming: BaseNames['naming'],
): void {
  const saved = [...tensors.replacements.keys()].map((name) => naming.of(name));
  for (const module of config.whole) {
    if (saved.some((name) => isOf(name, module)) || ![...base.keys()].some((name) => isOf(name, module))) continue;
    throw invalid(
      `${ADAPTER_CONFIG_FILE}: modules_to_save names "${module}", of which ${ADAPTER_WEIGHTS_FILE} has nothing, so what was ` +
        `trained of it is lost. Save the adapter again. ${MERGE_IT}, if the base's is meant`,
    );
  }
}

/** A decoder cannot follow rows that were trained and be trained itself: releases of peft differ in what that gives. */
function checkTied({ tensors: { tokens }, leavesDecoder }: Adapter, { isTied }: BaseNames): void {
  if (!isTied || !leavesDecoder || tokens.size === 0) return;
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${ADAPTER_CONFIG_FILE}: trainable_token_indices names a table of words to which the decoder is tied that target_modules ` +
      `names, too, and peft answers otherwise before and after merging. ${MERGE_IT}`,
  );
}

/** The tensors of the base with those of the adapter in their places, and a decoder where it no longer follows the words. */
function replaced(
  { tensors: { replacements }, leavesDecoder }: Adapter,
  base: ReadonlyMap<string, PlacedTensor>,
  { naming, names, isTied }: BaseNames,
): Map<string, PlacedTensor> {
  const adapted = new Map(base);
  const put = (isBase: boolean): void => {
    for (const [name, one] of replacements) {
      const place = naming.of(name);
      if (one.isBase === isBase) adapted.set(place, { ...one.tensor, name: place, path: ADAPTER_WEIGHTS_FILE });
    }
  };
  put(true);
  const decoder = `${names.decoder}.weight`;
  const words = adapted.get(names.prefix + names.words);
  if (leavesDecoder && isTied && words !== undefined) adapted.set(decoder, { ...words, name: decoder });
  const own = `${names.decoder}.bias`;
  const bias = adapted.get(`${names.decoder.replace(/[^.]*$/, '')}bias`);
  // The decoder's bias has two names, and files one of them.
  if (leavesDecoder && bias !== undefined && !adapted.has(own)) adapted.set(own, { ...bias, name: own });
  put(false);
  return adapted;
}

/** The changes of each tensor, by its name in the base. */
function byPlace(changes: readonly Change[], naming: BaseNames['naming']): ReadonlyMap<string, readonly Change[]> {
  const places = new Map<string, Change[]>();
  for (const change of changes) {
    const place = naming.of(change.name);
    places.set(place, [...(places.get(place) ?? []), change]);
  }
  return places;
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
  adapter: Adapter,
  files: VersionFiles,
  tensors: ReadonlyMap<string, PlacedTensor>,
  base: BaseNames,
  derive?: DeriveTensor,
): Promise<Adapted> {
  const { naming, names } = base;
  checkWhole(adapter, tensors, naming);
  checkTied(adapter, base);
  const adapted = replaced(adapter, tensors, base);
  const merged = new Map<string, Merged>();
  const places = byPlace(changesOf(adapter.tensors, adapter.config), naming);
  for (const [place, changes] of places) {
    const before = adapted.get(place);
    if (before === undefined && changes.every(({ isOptional }) => isOptional === true)) continue;
    if (before === undefined) {
      throw invalid(
        `The adapter changes "${changes[0]?.name ?? place}", which the base does not have. Name the base it was trained on. ` +
          `${MERGE_IT}, if that has no such tensor`,
      );
    }
    for (const change of changes) change.check(before);
    const { hasSources, ...recipe } = recipeOf(files, before, changes);
    const path = MERGED + place;
    const size = 4 * before.shape.reduce((product, dim) => product * dim, 1);
    const span = derive !== undefined && hasSources ? await derive(recipe) : undefined;
    merged.set(path, { size, make: recipe.make, ...(span === undefined ? {} : { span }) });
    adapted.set(place, { name: place, path, dtype: 'F32', shape: before.shape, start: 0, end: size });
  }
  const changed = [...[...adapter.tensors.replacements.keys()].map((name) => naming.of(name)), ...places.keys()];
  const formerHeads = new Set([...tensors.keys()].filter((name) => !name.startsWith(names.prefix)));
  const isNeeded = (name: string): boolean =>
    !name.startsWith(names.prefix) &&
    // Where all biases are saved, those of parts that no answer reads are, too.
    !(adapter.config.hasAllBiases && name.endsWith('.bias') && formerHeads.has(name)) &&
    (adapter.leavesDecoder || !base.isTied || name !== `${names.decoder}.weight`);
  return {
    tensors: adapted,
    files: withMerged(files, merged),
    touched: new Set(changed.filter(isNeeded)),
    formerHeads,
  };
}
