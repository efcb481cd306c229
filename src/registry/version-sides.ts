import {
  distinctPlaces,
  type Abortable,
  type Digest,
  type Manifest,
  type VersionFiles,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { readWeightTensors, type WeightTensor } from '../formats/index.js';
import { openStoredRanges, piecesOf } from './stored-ranges.js';

/** One of two versions that are held against one another. */
export interface Side {
  readonly record: VersionRecord;
  readonly manifest: Manifest;
  readonly files: VersionFiles;
  readonly tensors: ReadonlyMap<string, WeightTensor>;
}

/** Opens a version; of its weights only headers are read. @throws ModelkeepError what reading says */
export async function openSide(store: VersionStore, record: VersionRecord, options: Abortable): Promise<Side> {
  const manifest = await store.readManifest(record, options);
  const files = openStoredRanges(store, record, manifest);
  return { record, manifest, files, tensors: await readWeightTensors(files) };
}

/** A tensor that both versions have and that digests alone do not show to be equal. */
export interface TensorPair {
  readonly name: string;
  readonly first: WeightTensor;
  readonly second: WeightTensor;
  /** True if element type and shape are the same, so that values can be compared. */
  readonly isSameForm: boolean;
}

/** The tensors of two versions by name. */
export interface PairedTensors {
  /** How many are known to be equal, because the same bytes of the same segments hold them. */
  readonly equal: number;
  readonly open: readonly TensorPair[];
  readonly added: readonly WeightTensor[];
  readonly removed: readonly WeightTensor[];
}

/** Pairs tensors by name, without reading any. */
export function pairTensors(first: Side, second: Side): PairedTensors {
  const open: TensorPair[] = [];
  let equal = 0;
  for (const [name, one] of first.tensors) {
    const two = second.tensors.get(name);
    if (two === undefined) continue;
    const isSameForm =
      one.dtype === two.dtype && one.shape.join() === two.shape.join() && one.end - one.start === two.end - two.start;
    if (isSameForm && bytesOf(first, one) === bytesOf(second, two)) equal += 1;
    else open.push({ name, first: one, second: two, isSameForm });
  }
  return {
    equal,
    open,
    added: [...second.tensors].flatMap(([name, tensor]) => (first.tensors.has(name) ? [] : [tensor])),
    removed: [...first.tensors].flatMap(([name, tensor]) => (second.tensors.has(name) ? [] : [tensor])),
  };
}

/** Where the bytes of a tensor lie, as far as digests tell it: equal for equal bytes in equal segments. */
function bytesOf({ manifest }: Side, { path, start, end }: WeightTensor): string {
  return piecesOf(manifest, path, start, end)
    .map(({ place, from, to }) => `${place.digest} ${from} ${to}`)
    .join(' ');
}

/** Bytes of segments that both versions need, and that only one does. */
export interface SharedBytes {
  readonly shared: number;
  readonly onlyFirst: number;
  readonly onlySecond: number;
}

/** How much two versions share. */
export function sharedBytes(first: Manifest, second: Manifest): SharedBytes {
  const [one, two] = [sizesOf(first), sizesOf(second)];
  return {
    shared: sumOf(one, (digest) => two.has(digest)),
    onlyFirst: sumOf(one, (digest) => !two.has(digest)),
    onlySecond: sumOf(two, (digest) => !one.has(digest)),
  };
}

function sizesOf(manifest: Manifest): ReadonlyMap<Digest, number> {
  return new Map(distinctPlaces(manifest).map(({ digest, size }) => [digest, size]));
}

function sumOf(sizes: ReadonlyMap<Digest, number>, keep: (digest: Digest) => boolean): number {
  return [...sizes].reduce((total, [digest, size]) => total + (keep(digest) ? size : 0), 0);
}
