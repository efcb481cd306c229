import { isDeepStrictEqual } from 'node:util';
import {
  versionsOf,
  type Abortable,
  type AliasRecord,
  type AliasTraffic,
  type StoreEvent,
  type VersionStore,
} from '../core/index.js';
import { findAlias } from './aliases.js';

/** The numbers of versions here, and those of their copies there. */
type Numbers = ReadonlyMap<number, number>;

interface AliasCopy extends Abortable {
  /** Who copies, for the history there. */
  readonly by?: string;
}

/**
 * Points the aliases of copied versions at the copies, with their policies, splits and shadows. An alias that is so
 * already is left alone; one that is split among versions that were not all copied points at its own version alone.
 */
export async function copyAliases(
  from: VersionStore,
  to: VersionStore,
  model: string,
  numbers: Numbers,
  { signal, by }: AliasCopy,
): Promise<AliasRecord[]> {
  const abortable = signal === undefined ? {} : { signal };
  const about = { message: `copied from ${from.location}`, ...(by === undefined ? {} : { by }) };
  const copied: AliasRecord[] = [];
  for (const { alias, version, policy = {}, traffic } of await from.listAliases({ model }, abortable)) {
    const number = numbers.get(version);
    if (number === undefined) continue;
    const whole = versionsOf({ version, ...(traffic === undefined ? {} : { traffic }) }).every((one) =>
      numbers.has(one),
    );
    const wanted = traffic === undefined || !whole ? null : renumberedTraffic(traffic, numbers);
    const named = { model, alias };
    let now = await findAlias(to, named, abortable);
    if (now?.version !== number) {
      await to.moveAlias({ ...named, to: number, ...about }, abortable);
      now = await findAlias(to, named, abortable);
    }
    const change = {
      ...(isDeepStrictEqual(now?.policy ?? {}, policy) ? {} : { policy }),
      ...(isDeepStrictEqual(now?.traffic ?? null, wanted) ? {} : { traffic: wanted }),
    };
    if (Object.keys(change).length > 0) now = await to.changeAlias({ ...named, ...change, ...about }, abortable);
    if (now !== undefined) copied.push(now);
  }
  return copied;
}

function renumberedTraffic(traffic: AliasTraffic, numbers: Numbers): AliasTraffic {
  const numberOf = (version: number): number => numbers.get(version) ?? version;
  if (traffic.kind === 'shadow') return { kind: 'shadow', version: numberOf(traffic.version) };
  const shares = traffic.shares.map(({ version, percent }) => ({ version: numberOf(version), percent }));
  return { kind: 'split', shares };
}

/** An event under the numbers that copies have; undefined if it concerns a version that was not copied. */
export function renumbered(event: StoreEvent, numbers: Numbers): StoreEvent | undefined {
  const changed: Record<string, unknown> = { ...event };
  for (const field of ['version', 'from', 'to'] as const) {
    const before = changed[field];
    if (typeof before !== 'number') continue;
    const after = numbers.get(before);
    if (after === undefined) return undefined;
    changed[field] = after;
  }
  if (event.kind === 'alias-traffic' && event.traffic !== null) {
    const { traffic } = event;
    const named = traffic.kind === 'split' ? traffic.shares.map(({ version }) => version) : [traffic.version];
    if (!named.every((version) => numbers.has(version))) return undefined;
    changed['traffic'] = renumberedTraffic(traffic, numbers);
  }
  return changed as unknown as StoreEvent;
}
