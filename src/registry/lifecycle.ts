import {
  formatReference,
  ModelkeepError,
  type Abortable,
  type AliasMoved,
  type Reference,
  type StoreEvent,
  type VersionStore,
} from '../core/index.js';

/** Who moves an alias, and why. */
export interface MoveOptions extends Abortable {
  readonly by?: string;
  /** Why, for the history. */
  readonly message?: string;
}

/** Options of {@link promote}. */
export interface PromoteOptions extends MoveOptions {
  /** The alias to move. */
  readonly to: string;
  /** Move only if the alias points at this version now; `null`: only if it does not exist. */
  readonly expect?: number | null;
}

/** Options of {@link rollback}. */
export interface RollbackOptions extends MoveOptions {
  /** The version to go back to. @defaultValue the one that the alias pointed at before */
  readonly to?: number;
}

function about({ by, message }: MoveOptions): { by?: string; message?: string } {
  return { ...(by === undefined ? {} : { by }), ...(message === undefined ? {} : { message }) };
}

function abortable({ signal }: Abortable): Abortable {
  return signal === undefined ? {} : { signal };
}

/**
 * Points an alias at what a reference means now.
 *
 * @throws ModelkeepError what resolving says; `ALIAS_CONFLICT` if `expect` does not hold
 */
export async function promote(store: VersionStore, reference: Reference, options: PromoteOptions): Promise<AliasMoved> {
  const { model, version } = await store.resolve(reference, abortable(options));
  const expect = options.expect === undefined ? {} : { expect: options.expect };
  return store.moveAlias({ model, alias: options.to, to: version, ...expect, ...about(options) }, abortable(options));
}

/**
 * Points an alias back at the version that it pointed at before its last move, or at `to`. Going back twice is going
 * forth again: the history knows both.
 *
 * @throws ModelkeepError `INVALID_REFERENCE` for a reference without alias; `VERSION_NOT_FOUND` if the alias never
 * pointed elsewhere; `ALIAS_CONFLICT` if somebody moves it meanwhile
 */
export async function rollback(
  store: VersionStore,
  reference: Reference,
  options: RollbackOptions = {},
): Promise<AliasMoved> {
  const { model, selector } = reference;
  if (selector.kind !== 'alias') {
    throw new ModelkeepError('INVALID_REFERENCE', `"${formatReference(reference)}" names no alias: write MODEL@ALIAS`);
  }
  const now = await store.resolve(reference, abortable(options));
  const to = options.to ?? (await versionBefore(store, model, selector.alias, now.version, options));
  const move = { model, alias: selector.alias, to, expect: now.version, ...about(options) };
  return store.moveAlias(move, abortable(options));
}

async function versionBefore(
  store: VersionStore,
  model: string,
  alias: string,
  now: number,
  options: Abortable,
): Promise<number> {
  for (const event of await store.listEvents({ model }, abortable(options))) {
    if (event.kind === 'alias-moved' && event.alias === alias && event.to === now && event.from !== undefined)
      return event.from;
  }
  throw new ModelkeepError(
    'VERSION_NOT_FOUND',
    `${model}@${alias} has never pointed at another version than ${now}: name one with --to`,
  );
}

/**
 * What happened to a model, newest first; with an alias in the reference only the moves of that alias.
 *
 * @throws ModelkeepError `MODEL_NOT_FOUND`; `INVALID_REFERENCE` for a reference to one version
 */
export async function history(
  store: VersionStore,
  reference: Reference,
  options: Abortable = {},
): Promise<readonly StoreEvent[]> {
  const { model, selector } = reference;
  if (selector.kind === 'version' || selector.kind === 'digest') {
    throw new ModelkeepError(
      'INVALID_REFERENCE',
      `"${formatReference(reference)}" names one version: write MODEL or MODEL@ALIAS`,
    );
  }
  const events = await store.listEvents({ model }, abortable(options));
  // A model without any event does not exist: let the store say what there is instead.
  if (events.length === 0) await store.resolve({ model, selector: { kind: 'latest' } }, abortable(options));
  return selector.kind === 'latest'
    ? events
    : events.filter((event) => 'alias' in event && event.alias === selector.alias);
}
