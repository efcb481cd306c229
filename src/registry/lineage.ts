import {
  ModelkeepError,
  parseReference,
  versionName,
  type Abortable,
  type Reference,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';

/** One version in a line of descent. */
export interface LineageNode {
  /** Such as `sentiment:3`. */
  readonly name: string;
  /** What it was made from, as its publisher said. */
  readonly parent?: string;
  /** Absent if the version is not in the store any more. */
  readonly record?: VersionRecord;
  /** Steps from the version that was asked for: 1 is a parent or a child. */
  readonly distance: number;
}

/** Where a version comes from, and what came from it. */
export interface Lineage {
  readonly record: VersionRecord;
  /** Its parent, that one's parent and so on. */
  readonly ancestors: readonly LineageNode[];
  /** What the first of the line was made from outside of this store, as its model card says. */
  readonly base?: readonly string[];
  /** What was made from it, directly or not; each behind its parent. */
  readonly descendants: readonly LineageNode[];
}

/**
 * The line of descent of a version, over all models of the store.
 *
 * @throws ModelkeepError what resolving says
 */
export async function lineage(store: VersionStore, reference: Reference, options: Abortable = {}): Promise<Lineage> {
  const record = await store.resolve(reference, options);
  const all = new Map((await store.listVersions({}, options)).map((one) => [versionName(one), one]));
  const ancestors = ancestorsOf(record, all);
  const base = baseOf((ancestors.at(-1) ?? { record }).record);
  return {
    record,
    ancestors,
    ...(base.length === 0 ? {} : { base }),
    descendants: descendantsOf(record, all),
  };
}

function nodeOf(name: string, record: VersionRecord | undefined, distance: number): LineageNode {
  const parent = record?.parent;
  return {
    name,
    distance,
    ...(record === undefined ? {} : { record }),
    ...(parent === undefined ? {} : { parent }),
  };
}

function ancestorsOf(record: VersionRecord, all: ReadonlyMap<string, VersionRecord>): LineageNode[] {
  const found: LineageNode[] = [];
  // Parents are older than their children, but what was written by another program may say anything.
  const seen = new Set([versionName(record)]);
  for (let name = record.parent; name !== undefined && !seen.has(name);) {
    seen.add(name);
    const parent = all.get(name);
    found.push(nodeOf(name, parent, found.length + 1));
    name = parent?.parent;
  }
  return found;
}

function descendantsOf(record: VersionRecord, all: ReadonlyMap<string, VersionRecord>): LineageNode[] {
  const children = new Map<string, VersionRecord[]>();
  for (const one of all.values()) {
    if (one.parent !== undefined) children.set(one.parent, [...(children.get(one.parent) ?? []), one]);
  }
  const seen = new Set([versionName(record)]);
  const found: LineageNode[] = [];
  const waiting = (children.get(versionName(record)) ?? []).toReversed().map((one) => ({ one, distance: 1 }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { one, distance } = next;
    const name = versionName(one);
    if (seen.has(name)) continue;
    seen.add(name);
    found.push(nodeOf(name, one, distance));
    for (const child of (children.get(name) ?? []).toReversed()) waiting.push({ one: child, distance: distance + 1 });
  }
  return found;
}

/** The models that a card names as what it was made from. */
function baseOf(record: VersionRecord | undefined): readonly string[] {
  const card = record?.metadata.card as { readonly base_model?: unknown } | undefined;
  const base = card?.base_model;
  return (Array.isArray(base) ? base : [base]).filter((one): one is string => typeof one === 'string');
}

/**
 * The canonical name of the version that a publisher says a new one was made from, so that it keeps its meaning when
 * aliases move.
 *
 * @throws ModelkeepError what resolving says; the message says that it is about the parent
 */
export async function resolveParent(store: VersionStore, parent: string, options: Abortable = {}): Promise<string> {
  try {
    return versionName(await store.resolve(parseReference(parent), options));
  } catch (error) {
    if (!(error instanceof ModelkeepError) || !/^(MODEL|VERSION|ALIAS)_NOT_FOUND$|^INVALID_REFERENCE$/.test(error.code))
      throw error;
    throw new ModelkeepError(error.code, `The parent ${JSON.stringify(parent.slice(0, 300))}: ${error.message}`, {
      cause: error,
      details: error.details,
    });
  }
}
