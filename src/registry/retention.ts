import {
  checkModelName,
  ModelkeepError,
  versionName,
  versionsOf,
  type Abortable,
  type RetentionPolicy,
  type RetentionRules,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';

/** Options of {@link setRetention}. */
export interface SetRetentionOptions extends Abortable {
  readonly by?: string;
  readonly message?: string;
}

/** A change that a policy asks for now. */
export interface RetentionStep {
  readonly record: VersionRecord;
  readonly to: 'archived' | 'deleted';
}

/** @throws ModelkeepError `INVALID_INPUT` naming the rule */
function checkRules({ keepLast, keepYoungerThanMs }: RetentionRules): void {
  if (keepLast !== undefined && (!Number.isSafeInteger(keepLast) || keepLast < 1)) {
    throw new ModelkeepError('INVALID_INPUT', `keepLast ${keepLast} is not a whole number from 1`);
  }
  if (keepYoungerThanMs !== undefined && !(Number.isSafeInteger(keepYoungerThanMs) && keepYoungerThanMs >= 0)) {
    throw new ModelkeepError('INVALID_INPUT', `keepYoungerThanMs ${keepYoungerThanMs} is no length of time in ms`);
  }
}

/**
 * Sets the retention policy of a model; without any rule, removes it. Nothing happens before garbage is collected.
 *
 * @throws ModelkeepError `MODEL_NOT_FOUND`; `INVALID_INPUT` for a rule that is none
 */
export async function setRetention(
  store: VersionStore,
  policy: RetentionPolicy,
  options: SetRetentionOptions = {},
): Promise<RetentionPolicy> {
  const model = checkModelName(policy.model);
  checkRules(policy);
  const abortable = options.signal === undefined ? {} : { signal: options.signal };
  const versions = await store.listVersions({ model, deleted: true }, abortable);
  if (versions.length === 0) await store.resolve({ model, selector: { kind: 'latest' } }, abortable);
  await store.setRetention(policy, options);
  return policy;
}

/**
 * What the policy of a model asks for now, in two steps a grace time apart: a version that no rule keeps is archived;
 * one that has been archived since before `before`, and still is not kept, is deleted. What an alias points at and the
 * newest ready version are always kept.
 */
export async function retentionSteps(
  store: VersionStore,
  policy: RetentionPolicy,
  { now, before, ...options }: Abortable & { readonly now: Date; readonly before: Date },
): Promise<readonly RetentionStep[]> {
  const { model } = policy;
  const versions = await store.listVersions({ model }, options);
  const kept = await keptVersions(store, policy, versions, now, options);
  return versions.flatMap((record): RetentionStep[] => {
    if (kept.has(record.version)) return [];
    if (record.state === 'ready') return [{ record, to: 'archived' }];
    return (record.changedAt ?? record.publishedAt) < before ? [{ record, to: 'deleted' }] : [];
  });
}

async function keptVersions(
  store: VersionStore,
  { model, keepLast, keepAliased, keepYoungerThanMs }: RetentionPolicy,
  versions: readonly VersionRecord[],
  now: Date,
  options: Abortable,
): Promise<ReadonlySet<number>> {
  const numbers = versions.map(({ version }) => version);
  const aliases = await store.listAliases({ model }, options);
  const kept = new Set(aliases.flatMap(versionsOf));
  const newest = versions.findLast(({ state }) => state === 'ready');
  if (newest !== undefined) kept.add(newest.version);
  if (keepLast !== undefined) for (const version of numbers.slice(-keepLast)) kept.add(version);
  if (keepYoungerThanMs !== undefined) {
    const since = now.getTime() - keepYoungerThanMs;
    for (const { version, publishedAt } of versions) if (publishedAt.getTime() > since) kept.add(version);
  }
  if (keepAliased === true && aliases.length > 0) {
    const open = new Map(aliases.map(({ alias, version }) => [alias, version]));
    for (const event of await store.listEvents({ model }, options)) {
      if (event.kind !== 'alias-moved' || open.get(event.alias) !== event.to || event.from === undefined) continue;
      open.delete(event.alias);
      kept.add(event.from);
    }
  }
  return kept;
}

/**
 * Does what a policy asks for. Somebody may have moved an alias or changed a version meanwhile: then that version stays
 * as it is until the next time.
 *
 * @returns the steps that were done
 */
export async function applyRetention(
  store: VersionStore,
  steps: readonly RetentionStep[],
  by: string,
): Promise<readonly RetentionStep[]> {
  const done: RetentionStep[] = [];
  for (const step of steps) {
    const { model, version } = step.record;
    try {
      await store.setState(model, version, step.to, {
        by,
        message: `no retention rule keeps ${versionName(step.record)}`,
      });
      done.push(step);
    } catch (error) {
      if (!(error instanceof ModelkeepError) || !['ALIAS_CONFLICT', 'VERSION_NOT_FOUND'].includes(error.code))
        throw error;
    }
  }
  return done;
}
