import {
  checkAliasName,
  ModelkeepError,
  versionName,
  type AliasMoved,
  type AliasRecord,
  type GatePolicy,
  type GateResult,
  type MoveAction,
  type Reference,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import {
  about,
  abortable,
  checkProtection,
  definedOf,
  findAlias,
  type MoveOptions,
  type PolicyChange,
} from './aliases.js';

/** What gates are asked about. */
export interface GateRequest {
  readonly alias: string;
  /** The version that is to answer. */
  readonly candidate: VersionRecord;
  /** The version that answers now; absent for a new alias. */
  readonly serving?: VersionRecord;
  /** The alias's policy, with what the caller has others for. */
  readonly policy: GatePolicy;
  readonly signal?: AbortSignal;
}

/** Runs the gates that need models: `openGates` of the library makes one. */
export type RunGates = (request: GateRequest) => Promise<readonly GateResult[]>;

/** Options of {@link promote}. */
export interface PromoteOptions extends MoveOptions {
  /** The alias to move. */
  readonly to: string;
  /** Move only if the alias points at this version now; `null`: only if it does not exist. */
  readonly expect?: number | null;
  /** What the history calls the move. @defaultValue 'promote' */
  readonly action?: MoveAction;
  /** Stronger than the alias's policy, for this move; a field that is `undefined` goes back to its default. */
  readonly gates?: NonNullable<PolicyChange['gates']>;
  /** Absent: no gate is run, and a policy that asks for one refuses the move. */
  readonly runGates?: RunGates;
}

/** What a promotion did. */
export interface Promoted extends AliasMoved {
  /** What the gates found; empty if none was run. */
  readonly gates: readonly GateResult[];
}

/**
 * Points an alias at what a reference means now, if the gates of the alias let it. A gate that fails leaves everything as
 * it was and is recorded in the history.
 *
 * @throws ModelkeepError what resolving says; `ALIAS_CONFLICT` if `expect` does not hold, or somebody changes the alias
 * meanwhile; `GATE_FAILED` with `details.gates`; `INVALID_INPUT` for a protected alias without message; `FORBIDDEN`
 */
export async function promote(store: VersionStore, reference: Reference, options: PromoteOptions): Promise<Promoted> {
  const alias = checkAliasName(options.to);
  const candidate = await store.resolve(reference, abortable(options));
  const { model, version } = candidate;
  const now = await findAlias(store, { model, alias }, options);
  checkProtection(now, options);
  const { expect, action = 'promote' } = options;
  // Whatever changes the alias from here on, be it only its policy, must not go unseen.
  const expected = now === undefined ? { expect: expect ?? null } : { expectRevision: now.revision };
  const move = { model, alias, to: version, action, ...expected, ...about(options) };
  const holds = expect === undefined || expect === (now?.version ?? null);
  if (!holds) return { ...(await store.moveAlias({ ...move, expect }, abortable(options))), gates: [] };
  const gates = isNeeded(now, candidate) ? await pass(store, now, candidate, options) : [];
  return { ...(await store.moveAlias(gates.length === 0 ? move : { ...move, gates }, abortable(options))), gates };
}

/** An archived version is left to the store to refuse, and one that answers already has nothing to prove. */
function isNeeded(now: AliasRecord | undefined, { state, version }: VersionRecord): boolean {
  return state === 'ready' && now?.version !== version;
}

/** @throws ModelkeepError `GATE_FAILED` */
async function pass(
  store: VersionStore,
  now: AliasRecord | undefined,
  candidate: VersionRecord,
  options: PromoteOptions,
): Promise<readonly GateResult[]> {
  const policy = definedOf({ ...now?.policy?.gates, ...options.gates });
  const { to: alias, runGates, signal } = options;
  if (runGates === undefined) {
    requireNone(policy, candidate, alias);
    return [];
  }
  const serving =
    now === undefined
      ? undefined
      : await store.resolve(
          { model: now.model, selector: { kind: 'version', version: now.version } },
          abortable(options),
        );
  const gates = await runGates({
    alias,
    candidate,
    policy,
    ...(serving === undefined ? {} : { serving }),
    ...(signal === undefined ? {} : { signal }),
  });
  const failed = gates.filter(({ outcome }) => outcome === 'failed');
  if (failed.length === 0) return gates;
  const { model, version } = candidate;
  await store.recordGateFailure({ model, alias, version, gates, ...about(options) }, abortable(options));
  throw gateFailed(candidate, alias, gates);
}

/** The error of a version that gates held back. */
function gateFailed({ model, version }: VersionRecord, alias: string, gates: readonly GateResult[]): ModelkeepError {
  const why = gates.flatMap(({ gate, outcome, summary }) => (outcome === 'failed' ? [`${gate}: ${summary}`] : []));
  return new ModelkeepError(
    'GATE_FAILED',
    `${model}:${version} was not promoted to "${alias}", which is as it was. ${why.join('. ')}`,
    { details: { model, version, alias, gates } },
  );
}

function requireNone(policy: GatePolicy, candidate: VersionRecord, alias: string): void {
  const wanted = [
    ...(policy.quality === 'on' || policy.maxDrop !== undefined ? ['quality'] : []),
    ...(policy.maxLatencyRatio === undefined ? [] : ['latency']),
    ...(policy.maxMemoryRatio === undefined ? [] : ['memory']),
  ].filter((gate) => gate !== 'quality' || policy.quality !== 'off');
  if (wanted.length === 0) return;
  throw new ModelkeepError(
    'GATE_FAILED',
    `${versionName(candidate)} was not promoted: the gates of "${alias}" (${wanted.join(', ')}) need models to run, and none was given to run them: use modelkeep promote, or give openGates`,
    { details: { alias, wanted } },
  );
}
