import {
  distinctPlaces,
  placesOf,
  type Abortable,
  type Manifest,
  type VersionFiles,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { readSafetensorsHeader, type StoredTensor } from '../formats/index.js';
import { openStoredFiles } from './stored-files.js';

/** Which tensors of a version are others than those of an earlier one, and how many bytes that took. */
export interface WeightChanges {
  /** Names of tensors that both have, with other bytes, type or shape. */
  readonly changed: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** How many are the same, byte for byte. */
  readonly equal: number;
  /** Bytes of contents that the earlier version does not have: what its publishing had to send beside it. */
  readonly newBytes: number;
  readonly totalBytes: number;
}

/** Tensors of at least this many bytes have segments of their own, whose digests tell whether they differ. */
const OWN_SEGMENT_BYTES = 64 * 1024;

interface Side {
  readonly manifest: Manifest;
  readonly files: VersionFiles;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** A tensor of a checkpoint, and the file that holds it. */
type Tensor = StoredTensor & { readonly path: string };

async function openSide(store: VersionStore, record: VersionRecord, options: Abortable): Promise<Side> {
  const manifest = await store.readManifest(record, options);
  const files = openStoredFiles(store, record, manifest);
  const tensors = new Map<string, Tensor>();
  for (const path of files.paths.filter((each) => each.endsWith('.safetensors'))) {
    const read = (start: number, end: number): Promise<Buffer> => files.read(path, { start, end });
    const header = await readSafetensorsHeader(path, files.size(path) ?? 0, read);
    for (const tensor of header.tensors.values()) tensors.set(tensor.name, { ...tensor, path });
  }
  return { manifest, files, tensors };
}

/**
 * Says what changed from one version to the next by the digests of their segments; only small tensors, which share
 * segments with others, are read. Costs kilobytes, however large the versions are. Knows the tensors of checkpoints
 * (safetensors); of other formats it counts the bytes.
 *
 * @throws ModelkeepError what reading says
 */
export async function weightChanges(
  store: VersionStore,
  before: VersionRecord,
  after: VersionRecord,
  options: Abortable = {},
): Promise<WeightChanges> {
  const [one, two] = [await openSide(store, before, options), await openSide(store, after, options)];
  const { tensors: old } = one;
  const { tensors: now } = two;
  const changed: string[] = [];
  let equal = 0;
  for (const [name, tensor] of old) {
    const other = now.get(name);
    if (other === undefined) continue;
    if (await isSame(one, tensor, two, other)) equal += 1;
    else changed.push(name);
  }
  const known = new Set(distinctPlaces(one.manifest).map(({ digest }) => digest));
  const places = distinctPlaces(two.manifest);
  const sum = (of: typeof places): number => of.reduce((total, { size }) => total + size, 0);
  return {
    changed,
    added: [...now.keys()].filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !now.has(name)),
    equal,
    newBytes: sum(places.filter(({ digest }) => !known.has(digest))),
    totalBytes: sum(places),
  };
}

async function isSame(one: Side, a: Tensor, two: Side, b: Tensor): Promise<boolean> {
  const size = a.end - a.start;
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join() || size !== b.end - b.start) return false;
  if (bytesOf(one, a) === bytesOf(two, b)) return true;
  if (size >= OWN_SEGMENT_BYTES) return false;
  const [first, second] = [await one.files.read(a.path, a), await two.files.read(b.path, b)];
  return first.equals(second);
}

/** Where the bytes of a tensor lie, as far as digests tell it. */
function bytesOf({ manifest }: Side, { path, start, end }: Tensor): string {
  const file = manifest.files.find((each) => each.path === path);
  if (file === undefined) return '';
  return [...placesOf(file)]
    .filter(({ offset, size }) => offset < end && offset + size > start)
    .map(({ digest, offset, size }) => `${digest} ${Math.max(0, start - offset)} ${Math.min(size, end - offset)}`)
    .join(' ');
}
