import {
  checkAliasName,
  formatReference,
  ModelkeepError,
  type Abortable,
  type AliasPolicy,
  type AliasRecord,
  type AliasTraffic,
  type AutoRollbackPolicy,
  type GatePolicy,
  type Reference,
  type VersionStore,
} from '../core/index.js';

/** Who changes an alias, and why. */
export interface MoveOptions extends Abortable {
  readonly by?: string;
  /** Why, for the history; a protected alias asks for it. */
  readonly message?: string;
  /** False for a caller who may not change protected aliases, such as a token without the scope `admin`. @defaultValue true */
  readonly mayChangeProtected?: boolean;
}

/** The two fields that the history keeps of a caller. */
export function about({ by, message }: MoveOptions): { by?: string; message?: string } {
  return { ...(by === undefined ? {} : { by }), ...(message === undefined ? {} : { message }) };
}

/** The signal alone, for a store. */
export function abortable({ signal }: Abortable): Abortable {
  return signal === undefined ? {} : { signal };
}

/** The model and alias that a reference names. @throws ModelkeepError `INVALID_REFERENCE` if it names no alias */
export function aliasOf(reference: Reference): { readonly model: string; readonly alias: string } {
  const { model, selector } = reference;
  if (selector.kind === 'alias') return { model, alias: checkAliasName(selector.alias) };
  throw new ModelkeepError('INVALID_REFERENCE', `"${formatReference(reference)}" names no alias: write MODEL@ALIAS`);
}

/** An alias with what guards it; undefined if it is not there. */
export async function findAlias(
  store: VersionStore,
  { model, alias }: { readonly model: string; readonly alias: string },
  options: Abortable = {},
): Promise<AliasRecord | undefined> {
  return (await store.listAliases({ model }, abortable(options))).find((record) => record.alias === alias);
}

/**
 * The alias that a reference names, with where it points, what guards it, and how its requests are shared.
 *
 * @throws ModelkeepError `INVALID_REFERENCE` if it names no alias; `MODEL_NOT_FOUND`, `ALIAS_NOT_FOUND`
 */
export async function getAlias(
  store: VersionStore,
  reference: Reference,
  options: Abortable = {},
): Promise<AliasRecord> {
  for (;;) {
    const found = await findAlias(store, aliasOf(reference), options);
    if (found !== undefined) return found;
    // Says what there is instead. If it resolves, the alias was made in between.
    await store.resolve(reference, abortable(options));
  }
}

/**
 * Holds a caller to the protection of an alias.
 *
 * @throws ModelkeepError `FORBIDDEN` for a caller who may not change protected aliases; `INVALID_INPUT` without a message
 */
export function checkProtection(
  alias: AliasRecord | undefined,
  { message, mayChangeProtected = true }: MoveOptions,
): void {
  if (alias?.policy?.protected !== true) return;
  const name = `"${alias.model}@${alias.alias}" is protected`;
  if (!mayChangeProtected) throw new ModelkeepError('FORBIDDEN', `${name}: changing it needs the scope "admin"`);
  if (message === undefined || message.trim() === '')
    throw new ModelkeepError('INVALID_INPUT', `${name}: say why with a message (--message)`);
}

/** A change of an alias's policy: each part is left as it is if absent, and taken away if `null`. */
export interface PolicyChange {
  readonly protected?: boolean;
  /** Merged into the gates that are set; a field that is `undefined` goes back to its default. */
  readonly gates?: { readonly [Name in keyof GatePolicy]?: GatePolicy[Name] | undefined } | null;
  readonly autoRollback?: AutoRollbackPolicy | null;
}

/**
 * Changes what guards an alias.
 *
 * @throws ModelkeepError `ALIAS_NOT_FOUND`; `INVALID_INPUT` for a number that means nothing, or a protected alias without
 * message; `FORBIDDEN`; `ALIAS_CONFLICT` if somebody changes the alias meanwhile
 */
export async function setAliasPolicy(
  store: VersionStore,
  reference: Reference,
  change: PolicyChange,
  options: MoveOptions = {},
): Promise<AliasRecord> {
  const now = await getAlias(store, reference, options);
  checkProtection(now, options);
  const { model, alias, revision } = now;
  const policy = changedPolicy(now.policy ?? {}, change);
  return store.changeAlias({ model, alias, policy, expectRevision: revision, ...about(options) }, abortable(options));
}

function changedPolicy(before: AliasPolicy, change: PolicyChange): AliasPolicy {
  const gates = change.gates === null ? {} : definedOf({ ...before.gates, ...change.gates });
  const autoRollback = change.autoRollback === undefined ? before.autoRollback : (change.autoRollback ?? undefined);
  const guarded = change.protected ?? before.protected ?? false;
  return {
    ...(guarded ? { protected: true } : {}),
    ...(Object.keys(gates).length === 0 ? {} : { gates }),
    ...(autoRollback === undefined ? {} : { autoRollback }),
  };
}

/** The gates without those that go back to their defaults. */
export function definedOf(policy: NonNullable<PolicyChange['gates']>): GatePolicy {
  return Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined));
}

/**
 * Shares the requests of an alias among versions, or has another version shadow it; `null`: all go to its own version.
 *
 * @throws ModelkeepError as {@link setAliasPolicy}; `VERSION_NOT_FOUND` for a version that is not there or archived
 */
export async function setAliasTraffic(
  store: VersionStore,
  reference: Reference,
  traffic: AliasTraffic | null,
  options: MoveOptions = {},
): Promise<AliasRecord> {
  const now = await getAlias(store, reference, options);
  checkProtection(now, options);
  const { model, alias, revision } = now;
  return store.changeAlias({ model, alias, traffic, expectRevision: revision, ...about(options) }, abortable(options));
}

/**
 * Removes an alias, and its policy with it.
 *
 * @returns the alias as it was
 * @throws ModelkeepError `ALIAS_NOT_FOUND`; `INVALID_INPUT` for a protected alias without message; `FORBIDDEN`
 */
export async function removeAlias(
  store: VersionStore,
  reference: Reference,
  options: MoveOptions = {},
): Promise<AliasRecord> {
  const now = await getAlias(store, reference, options);
  checkProtection(now, options);
  const { model, alias, version } = now;
  await store.removeAlias({ model, alias, expect: version, ...about(options) });
  return now;
}
