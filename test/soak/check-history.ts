import { expect } from 'vitest';
import { versionName, type AliasRecord, type StoreEvent, type VersionStore } from '../../src/core/index.js';

/** What a worker did and the store acknowledged. */
export interface Did {
  readonly operation: 'publish' | 'promote' | 'state' | 'gc' | 'verify';
  readonly message: string;
  readonly model?: string;
  readonly version?: number;
  readonly digest?: string;
  readonly alias?: string;
  readonly from?: number;
  readonly to?: number;
  readonly revision?: number;
  readonly state?: 'archived' | 'deleted' | 'ready';
  readonly collected?: number;
  readonly removed?: number;
}

const KIND = { archived: 'archived', deleted: 'deleted', ready: 'restored' } as const;

/** The part of an event that an acknowledged operation must have left. */
function eventOf(did: Did): unknown {
  const { operation, message, version, alias, from, to, state } = did;
  if (operation === 'publish') return { kind: 'published', message, version };
  if (operation === 'promote')
    return { kind: 'alias-moved', message, alias, to, ...(from === undefined ? {} : { from }) };
  return { kind: KIND[state ?? 'ready'], message, version };
}

/** A version that somebody else had brought into the same state a moment before: then there was nothing to do. */
function sameByAnother({ operation, message, model, version, state }: Did, all: readonly StoreEvent[]): unknown {
  if (operation !== 'state') return undefined;
  const kind = KIND[state ?? 'ready'];
  const same = all.some((one) => one.model === model && one.kind === kind && one.version === version);
  return same ? { kind, message, version } : undefined;
}

/** Checks that the history tells everything that was acknowledged, and aliases and states follow from it. */
export async function checkHistory(
  store: VersionStore,
  acknowledged: readonly Did[],
  kills: number,
): Promise<{ readonly events: number }> {
  const models = [...new Set(acknowledged.flatMap(({ model }) => model ?? []))];
  const all = (await Promise.all(models.map((model) => store.listEvents({ model })))).flat();
  const byMessage = new Map(all.map((event) => [event.message, event]));
  const told = acknowledged.filter(({ operation }) => ['publish', 'promote', 'state'].includes(operation));
  for (const did of told) {
    const event = byMessage.get(did.message) ?? sameByAnother(did, all);
    expect(event).toMatchObject(eventOf(did) as object);
  }
  // What was not acknowledged is at most what each killed process was at.
  const unsaid = all.filter(({ message }) => message !== undefined && !told.some((did) => did.message === message));
  expect(unsaid.length).toBeLessThanOrEqual(kills);
  for (const model of models) {
    const events = all.filter((event) => event.model === model);
    checkNumbers(events);
    for (const alias of await store.listAliases({ model })) checkMoves(alias, events);
    await checkStates(store, model, events);
  }
  return { events: all.length };
}

/** Every number was given once, and none was left out. */
function checkNumbers(events: readonly StoreEvent[]): void {
  const numbers = events.flatMap((event) => (event.kind === 'published' ? [event.version] : []));
  expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers.map((_, index) => index + 1));
}

/** No move is lost: as many as the alias counts, and each one leaves from where another had arrived. */
function checkMoves({ alias, version, revision }: AliasRecord, events: readonly StoreEvent[]): void {
  const moves = events.flatMap((event) => (event.kind === 'alias-moved' && event.alias === alias ? [event] : []));
  expect(moves).toHaveLength(revision);
  const balance = new Map<number, number>([[version, -1]]);
  const add = (number: number, by: number): void => void balance.set(number, (balance.get(number) ?? 0) + by);
  for (const { from, to } of moves) {
    add(to, 1);
    if (from !== undefined) add(from, -1);
  }
  expect([...balance.values()].every((left) => left === 0)).toBe(true);
  expect(moves.filter(({ from }) => from === undefined)).toHaveLength(1);
}

/** A version is what its last change has made of it; one that was collected is gone, and was deleted before. */
async function checkStates(store: VersionStore, model: string, events: readonly StoreEvent[]): Promise<void> {
  const versions = new Map(
    (await store.listVersions({ model, deleted: true })).map((record) => [record.version, record]),
  );
  for (const event of events) {
    if (event.kind !== 'published') continue;
    const { version } = event;
    const own = events.filter((one) => 'version' in one && one.version === version);
    const times = (kind: StoreEvent['kind']): number => own.filter((one) => one.kind === kind).length;
    const state = versions.get(version)?.state ?? 'collected';
    const name = versionName({ model, version });
    expect({ name, collected: times('collected') }).toEqual({ name, collected: state === 'collected' ? 1 : 0 });
    const needs = state === 'collected' ? 'deleted' : state;
    expect({ name, needs, told: needs === 'ready' || times(needs) > 0 }).toEqual({ name, needs, told: true });
  }
  for (const { version } of await store.listAliases({ model })) expect(versions.get(version)?.state).toBe('ready');
}
