import type { Abortable, AliasRecord, Reference, VersionRecord, VersionStore } from '../core/index.js';
import type { ParityPolicy } from './parity.js';

/** A version that gets a share of the requests of a reference. */
export interface Share {
  readonly record: VersionRecord;
  /** Above 0; those of a reference add to 100. */
  readonly percent: number;
}

/** What a reference means: the version that answers, and how its requests are shared. */
export interface Target {
  readonly record: VersionRecord;
  /** The alias as the store has it, for a reference that names one. */
  readonly alias?: AliasRecord;
  /** Where the alias is split: the versions that share its requests, `record` first. */
  readonly shares?: readonly Share[];
  /** Answers too and is only compared. */
  readonly shadow?: VersionRecord;
}

/** What a reference means now. @throws ModelkeepError as `VersionStore.resolve` */
export async function resolveTarget(store: VersionStore, reference: Reference, options: Abortable): Promise<Target> {
  const { model, selector } = reference;
  if (selector.kind !== 'alias') return { record: await store.resolve(reference, options) };
  for (;;) {
    const aliases = await store.listAliases({ model }, options);
    const alias = aliases.find((each) => each.alias === selector.alias);
    // Says what there is instead. If it resolves, the alias was made in between.
    if (alias === undefined) await store.resolve(reference, options);
    else return targetOf(store, alias, options);
  }
}

async function targetOf(store: VersionStore, alias: AliasRecord, options: Abortable): Promise<Target> {
  const { model, traffic } = alias;
  const get = (version: number): Promise<VersionRecord> =>
    store.resolve({ model, selector: { kind: 'version', version } }, options);
  const record = await get(alias.version);
  if (traffic === undefined) return { record, alias };
  if (traffic.kind === 'shadow') return { record, alias, shadow: await get(traffic.version) };
  const shares: Share[] = [];
  // The alias's own version first, so that raising another's share moves as few keys as possible.
  for (const { version, percent } of traffic.shares.toSorted((a, b) => rank(a.version) - rank(b.version)))
    shares.push({ record: version === alias.version ? record : await get(version), percent });
  return { record, alias, shares };

  function rank(version: number): number {
    return version === alias.version ? 0 : version;
  }
}

/** The versions that must be ready before a target can answer. */
export function recordsOf({ record, shares = [] }: Target): readonly VersionRecord[] {
  return [record, ...shares.map((share) => share.record).filter(({ id }) => id !== record.id)];
}

/** The golden answers that the versions of a target must give; undefined for a reference without alias. */
export function parityOf({ alias }: Target): ParityPolicy | undefined {
  if (alias === undefined) return undefined;
  const { parity, parityTolerance } = alias.policy?.gates ?? {};
  return {
    ...(parity === undefined ? {} : { mode: parity }),
    ...(parityTolerance === undefined ? {} : { tolerance: parityTolerance }),
  };
}

/** True if two targets send the same requests to the same versions, and compare the same one. */
export function sameTraffic(a: Target, b: Target): boolean {
  const shape = ({ record, shares = [], shadow }: Target): string =>
    JSON.stringify([record.id, shares.map((share) => [share.record.id, share.percent]), shadow?.id]);
  return shape(a) === shape(b);
}
