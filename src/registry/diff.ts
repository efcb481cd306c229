import {
  distinctPlaces,
  throwIfAborted,
  type Abortable,
  type Manifest,
  type Reference,
  type VersionFiles,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { measureChange, readWeightTensors, type TensorChange, type WeightTensor } from '../formats/index.js';
import { changesOf, diffConfiguration, diffTokenizer, type TokenizerDiff, type ValueChange } from './diff-values.js';
import { openStoredRanges, piecesOf } from './stored-ranges.js';

/** A file in two versions. */
export interface FileDiff {
  readonly path: string;
  readonly kind: 'equal' | 'changed' | 'added' | 'removed';
  /** Bytes; absent in the version that does not have it. */
  readonly firstSize?: number;
  readonly secondSize?: number;
}

/** A tensor that one version has and the other does not have, or not with this element type and shape. */
export interface TensorDescription {
  readonly name: string;
  readonly dtype?: string;
  readonly shape: readonly number[];
}

/** A tensor that both have, with other values or of another form. */
export interface ChangedTensor extends Partial<TensorChange> {
  readonly name: string;
  readonly first: TensorDescription;
  readonly second: TensorDescription;
}

/** What two versions have in common, and what not. */
export interface VersionDiff {
  readonly first: VersionRecord;
  readonly second: VersionRecord;
  readonly files: readonly FileDiff[];
  readonly tensors: {
    /** How many are equal, byte for byte. */
    readonly equal: number;
    /** The largest relative change first; those of another form before all. */
    readonly changed: readonly ChangedTensor[];
    readonly added: readonly TensorDescription[];
    readonly removed: readonly TensorDescription[];
  };
  /** Bytes of segments that both need, and that only one does. */
  readonly bytes: { readonly shared: number; readonly onlyFirst: number; readonly onlySecond: number };
  /** `config.json`, without its labels. */
  readonly configuration: readonly ValueChange[];
  /** Labels by number. */
  readonly labels: readonly ValueChange[];
  readonly tokenizer: TokenizerDiff;
  /** Task, format, parent, message and free facts. */
  readonly metadata: readonly ValueChange[];
}

/** Options of {@link diff}. */
export interface DiffOptions extends Abortable {
  /** Called with the tensors that are compared. */
  readonly onProgress?: (done: number, total: number) => void;
}

interface Side {
  readonly record: VersionRecord;
  readonly manifest: Manifest;
  readonly files: VersionFiles;
}

/**
 * Compares two versions, of one model or of two. What has the same segments is known to be equal without being read;
 * other tensors are read a few megabytes at a time, so that memory does not grow with the versions.
 *
 * @throws ModelkeepError what resolving and reading say
 */
export async function diff(
  store: VersionStore,
  first: Reference,
  second: Reference,
  options: DiffOptions = {},
): Promise<VersionDiff> {
  const abortable = options.signal === undefined ? {} : { signal: options.signal };
  const sides = [await openSide(store, first, abortable), await openSide(store, second, abortable)] as const;
  return {
    first: sides[0].record,
    second: sides[1].record,
    files: diffFiles(sides[0].manifest, sides[1].manifest),
    tensors: await diffTensors(...sides, options),
    bytes: diffBytes(sides[0].manifest, sides[1].manifest),
    ...(await diffConfiguration(sides[0].files, sides[1].files)),
    tokenizer: await diffTokenizer(sides[0].files, sides[1].files),
    metadata: changesOf(factsOf(sides[0]), factsOf(sides[1])),
  };
}

async function openSide(store: VersionStore, reference: Reference, options: Abortable): Promise<Side> {
  const record = await store.resolve(reference, options);
  const manifest = await store.readManifest(record, options);
  return { record, manifest, files: openStoredRanges(store, record, manifest) };
}

function factsOf({ record, manifest }: Side): unknown {
  const { task, parent, message, metadata } = record;
  return { format: manifest.format, task, precision: manifest.precision, parent, message, metadata };
}

/** The digests of a file's segments: equal files have equal ones if they were cut at the same places. */
function contentsOf(manifest: Manifest, path: string): string | undefined {
  const file = manifest.files.find((one) => one.path === path);
  return file === undefined ? undefined : `${file.size} ${file.segments.map(({ digest }) => digest).join(' ')}`;
}

function diffFiles(first: Manifest, second: Manifest): FileDiff[] {
  const sizes = [first, second].map(({ files }) => new Map(files.map(({ path, size }) => [path, size])));
  const paths = new Set([...first.files, ...second.files].map(({ path }) => path));
  return [...paths].toSorted().map((path): FileDiff => {
    const [firstSize, secondSize] = sizes.map((one) => one.get(path));
    const own = {
      ...(firstSize === undefined ? {} : { firstSize }),
      ...(secondSize === undefined ? {} : { secondSize }),
    };
    if (firstSize === undefined) return { path, kind: 'added', ...own };
    if (secondSize === undefined) return { path, kind: 'removed', ...own };
    return { path, kind: contentsOf(first, path) === contentsOf(second, path) ? 'equal' : 'changed', ...own };
  });
}

function diffBytes(first: Manifest, second: Manifest): VersionDiff['bytes'] {
  const [one, two] = [first, second].map((each) => new Map(distinctPlaces(each).map((p) => [p.digest, p.size])));
  const sum = (from: typeof one, keep: (digest: `sha256:${string}`) => boolean): number =>
    [...(from ?? [])].reduce((total, [digest, size]) => total + (keep(digest) ? size : 0), 0);
  const inOne = (digest: `sha256:${string}`): boolean => one?.has(digest) === true;
  const inTwo = (digest: `sha256:${string}`): boolean => two?.has(digest) === true;
  return {
    shared: sum(one, inTwo),
    onlyFirst: sum(one, (digest) => !inTwo(digest)),
    onlySecond: sum(two, (digest) => !inOne(digest)),
  };
}

function describe({ name, dtype, shape }: WeightTensor): TensorDescription {
  return { name, shape, ...(dtype === undefined ? {} : { dtype }) };
}

/** Where the bytes of a tensor lie, as far as digests tell it: equal for equal bytes in equal segments. */
function bytesOf({ manifest }: Side, { path, start, end }: WeightTensor): string {
  return piecesOf(manifest, path, start, end)
    .map(({ place, from, to }) => `${place.digest} ${from} ${to}`)
    .join(' ');
}

async function diffTensors(first: Side, second: Side, options: DiffOptions): Promise<VersionDiff['tensors']> {
  const [one, two] = [await readWeightTensors(first.files), await readWeightTensors(second.files)];
  const changed: ChangedTensor[] = [];
  let [equal, done] = [0, 0];
  for (const [name, tensor] of one) {
    const other = two.get(name);
    options.onProgress?.((done += 1), one.size);
    if (other === undefined) continue;
    throwIfAborted(options.signal);
    const change = await compare(first, tensor, second, other, options.signal);
    if (change === undefined) equal += 1;
    else changed.push({ name, first: describe(tensor), second: describe(other), ...change });
  }
  const weight = ({ relativeNorm, norm }: ChangedTensor): number => relativeNorm ?? norm ?? Infinity;
  return {
    equal,
    changed: changed.toSorted((a, b) => weight(b) - weight(a)),
    added: [...two].flatMap(([name, tensor]) => (one.has(name) ? [] : [describe(tensor)])),
    removed: [...one].flatMap(([name, tensor]) => (two.has(name) ? [] : [describe(tensor)])),
  };
}

/** How two tensors differ; undefined if they do not, and nothing to measure if they are of different form. */
async function compare(
  first: Side,
  one: WeightTensor,
  second: Side,
  two: WeightTensor,
  signal: AbortSignal | undefined,
): Promise<Partial<TensorChange> | undefined> {
  if (one.dtype !== two.dtype || one.shape.join() !== two.shape.join() || one.end - one.start !== two.end - two.start)
    return {};
  if (bytesOf(first, one) === bytesOf(second, two)) return undefined;
  const change = await measureChange({ files: first.files, tensor: one }, { files: second.files, tensor: two }, signal);
  return change.differing === 0 ? undefined : change;
}
