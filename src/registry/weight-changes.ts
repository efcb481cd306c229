import {
  asModelkeepError,
  type Abortable,
  type AliasMoved,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import { openSide, pairTensors, sharedBytes, type Side, type TensorPair } from './version-sides.js';

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

/**
 * Says what changed from one version to the next by the digests of their segments; only small tensors, which share
 * segments with others, are read. Costs kilobytes, however large the versions are; `diff` tells by how much tensors differ.
 *
 * @throws ModelkeepError what reading says
 */
export async function weightChanges(
  store: VersionStore,
  before: VersionRecord,
  after: VersionRecord,
  options: Abortable = {},
): Promise<WeightChanges> {
  const sides = [await openSide(store, before, options), await openSide(store, after, options)] as const;
  const { equal, open, added, removed } = pairTensors(...sides);
  const changed: string[] = [];
  for (const pair of open) if (await isChanged(sides, pair, options)) changed.push(pair.name);
  const { shared, onlySecond } = sharedBytes(sides[0].manifest, sides[1].manifest);
  return {
    changed,
    added: added.map(({ name }) => name),
    removed: removed.map(({ name }) => name),
    equal: equal + open.length - changed.length,
    newBytes: onlySecond,
    totalBytes: shared + onlySecond,
  };
}

async function isChanged(
  [one, two]: readonly [Side, Side],
  { first, second, isSameForm }: TensorPair,
  options: Abortable,
): Promise<boolean> {
  if (!isSameForm || first.end - first.start >= OWN_SEGMENT_BYTES) return true;
  const [a, b] = [await one.files.read(first.path, first, options), await two.files.read(second.path, second, options)];
  return !a.equals(b);
}

/**
 * What the version that an alias points at since a move has that the one before had not; undefined if there is nothing to
 * compare: it is moved, and that the version before is gone or cannot be read is no failure of the move.
 *
 * @throws ModelkeepError `CANCELLED`
 */
export async function moveChanges(
  store: VersionStore,
  { model, from, version }: AliasMoved,
  options: Abortable = {},
): Promise<WeightChanges | undefined> {
  if (from === undefined || from === version) return undefined;
  const get = (number: number): Promise<VersionRecord> =>
    store.resolve({ model, selector: { kind: 'version', version: number } }, options);
  try {
    return await weightChanges(store, await get(from), await get(version), options);
  } catch (thrown) {
    if (asModelkeepError(thrown).code === 'CANCELLED') throw thrown;
    return undefined;
  }
}
