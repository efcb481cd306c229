import { availableParallelism } from 'node:os';
import { DutyCycle, SegmentCache } from '../cache/index.js';
import { asModelkeepError, type VersionStore } from '../core/index.js';
import type { RunGates } from '../registry/index.js';
import { Follower, Residency, type ParityPolicy } from '../residency/index.js';
import { onnxRunnerCommand, RunnerPool, type Runner } from '../runners/index.js';
import { InferenceService, traceRequests } from '../serving/index.js';
import { openStore } from '../stores/index.js';
import { CloseStack } from './close-stack.js';
import { compilerFor, quantizeBy } from './forms.js';
import { Modelkeep } from './modelkeep.js';
import { openShadow } from './open-shadow.js';
import { picklePool } from './pickle-pool.js';
import { checkSetting } from './resolve-settings.js';
import { SETTINGS, type SettingName, type Settings } from './settings.js';
import { signaturePolicy } from './signature-policy.js';
import { Watchman } from './watchman.js';

type NodeSettings = Pick<
  Settings,
  | 'store'
  | 'bucket'
  | 'cacheDir'
  | 'cacheMaxBytes'
  | 'runners'
  | 'threads'
  | 'loneThreads'
  | 'requestTimeoutMs'
  | 'maxQueue'
  | 'maxQueueMs'
  | 'maxBatchRequests'
  | 'maxBatchTokens'
  | 'maxRequestTokens'
  | 'pollIntervalMs'
  | 'memoryBudget'
  | 'answerCache'
  | 'idleUnloadMs'
  | 'allowPickle'
  | 'python'
  | 'pickleMaxMemory'
  | 'wheelhouse'
  | 'swapMode'
  | 'compileAfter'
  | 'compile'
  | 'precision'
  | 'weightBits'
  | 'requireSignature'
>;

/** Options of {@link openModelkeep}; each default is in {@link SETTINGS}. */
export interface OpenOptions extends Partial<Omit<NodeSettings, 'store'>> {
  /** A store's URL, or an open store, which stays open when this closes. @defaultValue the embedded store */
  readonly store?: string | VersionStore;
  /** Golden answers that versions must give where no alias says otherwise. @defaultValue the defaults of each field */
  readonly parity?: ParityPolicy;
  /** Called with what a runner process writes to its standard error. */
  readonly onRunnerLog?: (line: string) => void;
}

/**
 * Opens a node: a store, the disk cache, runner processes and the service over them. Resolves usable, or rejects with
 * nothing left open.
 *
 * @throws ModelkeepError `STORE_UNAVAILABLE` or `STORE_PERMISSION` for the store or the cache folder, `RUNNER_CRASHED`
 * if a runner does not start, `INVALID_INPUT` for a malformed option
 *
 * @example
 * ```ts
 * await using keep = await openModelkeep({ store: 'mongodb://127.0.0.1:27017/models' });
 * const model = await keep.load('sentiment@production');
 * ```
 */
export async function openModelkeep(options: OpenOptions = {}): Promise<Modelkeep> {
  const settings = { ...defaults(), ...options, ...checked(options) };
  const stack = new CloseStack();
  try {
    const store = typeof settings.store === 'string' ? await openStore(settings.store, settings) : settings.store;
    if (typeof settings.store === 'string') stack.push(() => store.close());
    const busy = (): number => busyShare([...pool.runners, ...(pickles?.runners ?? [])], settings.threads);
    const { rest } = new DutyCycle({ busy });
    const cache = await SegmentCache.open({ directory: settings.cacheDir, maxBytes: settings.cacheMaxBytes, rest });
    const command = onnxRunnerCommand(options.onRunnerLog === undefined ? {} : { onLog: options.onRunnerLog });
    const pool = await RunnerPool.open({ command, size: settings.runners });
    stack.push(() => pool.close());
    const pickles = picklePool(settings, cache, options.onRunnerLog, pool.events);
    if (pickles !== undefined) stack.push(() => pickles.close());
    const pools = { pool, ...(pickles === undefined ? {} : { pickles }) };
    const compiler = await compilerFor(settings, cache, () => residency.residents, rest);
    const quantizing = await quantizeBy(settings, cache.folder);
    const { shadow, ...shadowing } = openShadow({ ...settings, store, cache });
    stack.push(() => shadowing.close());
    const forms = { ...compiler, ...(await signaturePolicy(store, settings.requireSignature)), quantizing };
    const residency: Residency = new Residency({
      ...settings,
      store,
      cache,
      ...pools,
      ...forms,
      alsoMeasured: shadowing.pids,
    });
    stack.push(() => residency.close());
    const follower = await Follower.open(store, residency, settings.swapMode);
    stack.push(() => follower.close());
    const service = new InferenceService({ residency, follower, shadow, ...pools, ...settings });
    traceRequests(service);
    const watchman = new Watchman({ store, follower, service });
    stack.push(() => watchman.close());
    stack.push(() => service.close());
    // What it is made of opens nodes: it is loaded when the first gate is asked.
    const runGates: RunGates = async (asked) => (await import('./gates.js')).openGates({ ...settings, store })(asked);
    return new Modelkeep({ store, residency, follower, ...pools, service, watchman, runGates }, stack);
  } catch (error) {
    await stack.closeQuietly();
    throw asModelkeepError(error);
  }
}

/** The share of this machine's processors that runners are busy with, 0 to 1. */
function busyShare(runners: readonly Runner[], threads: number): number {
  const busy = runners.filter(({ mode }) => mode === 'busy').length;
  return Math.min(1, (busy * threads) / availableParallelism());
}

/** Every setting among the options that is given, checked, and the default of what is given as `undefined`. */
function checked(options: OpenOptions): Partial<Settings> {
  const given = Object.entries(options).flatMap(([name, value]) => {
    if (!isSettingName(name) || (name === 'store' && typeof value !== 'string' && value !== undefined)) return [];
    return [[name, value === undefined ? SETTINGS[name].defaultValue : checkSetting(name, value)]];
  });
  return Object.fromEntries(given) as Partial<Settings>;
}

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

function defaults(): Settings {
  const names = Object.keys(SETTINGS) as SettingName[];
  return Object.fromEntries(names.map((name) => [name, SETTINGS[name].defaultValue])) as unknown as Settings;
}
