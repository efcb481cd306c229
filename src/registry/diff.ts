import {
  throwIfAborted,
  type Abortable,
  type Manifest,
  type Reference,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { measureChange, type TensorChange, type WeightTensor } from '../formats/index.js';
import { changesOf, diffConfiguration, diffTokenizer, type TokenizerDiff, type ValueChange } from './diff-values.js';
import { openSide, pairTensors, sharedBytes, type SharedBytes, type Side, type TensorPair } from './version-sides.js';

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
  readonly bytes: SharedBytes;
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
  const sides = [
    await openSide(store, await store.resolve(first, abortable), abortable),
    await openSide(store, await store.resolve(second, abortable), abortable),
  ] as const;
  return {
    first: sides[0].record,
    second: sides[1].record,
    files: diffFiles(sides[0].manifest, sides[1].manifest),
    tensors: await diffTensors(...sides, options),
    bytes: sharedBytes(sides[0].manifest, sides[1].manifest),
    ...(await diffConfiguration(sides[0].files, sides[1].files)),
    tokenizer: await diffTokenizer(sides[0].files, sides[1].files),
    metadata: changesOf(factsOf(sides[0]), factsOf(sides[1])),
  };
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

function describe({ name, dtype, shape }: WeightTensor): TensorDescription {
  return { name, shape, ...(dtype === undefined ? {} : { dtype }) };
}

async function diffTensors(first: Side, second: Side, options: DiffOptions): Promise<VersionDiff['tensors']> {
  const paired = pairTensors(first, second);
  const changed: ChangedTensor[] = [];
  const total = paired.equal + paired.open.length;
  for (const [at, pair] of paired.open.entries()) {
    throwIfAborted(options.signal);
    const change = await compare(first, second, pair, options.signal);
    const { name } = pair;
    if (change !== undefined)
      changed.push({ name, first: describe(pair.first), second: describe(pair.second), ...change });
    options.onProgress?.(paired.equal + at + 1, total);
  }
  const weight = ({ relativeNorm, norm }: ChangedTensor): number => relativeNorm ?? norm ?? Infinity;
  return {
    equal: total - changed.length,
    changed: changed.toSorted((a, b) => weight(b) - weight(a)),
    added: paired.added.map(describe),
    removed: paired.removed.map(describe),
  };
}

/** How two tensors differ; undefined if they do not, and nothing to measure if they are of different form. */
async function compare(
  one: Side,
  two: Side,
  { first, second, isSameForm }: TensorPair,
  signal: AbortSignal | undefined,
): Promise<Partial<TensorChange> | undefined> {
  if (!isSameForm) return {};
  const change = await measureChange({ files: one.files, tensor: first }, { files: two.files, tensor: second }, signal);
  return change.differing === 0 ? undefined : change;
}
