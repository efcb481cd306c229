import type { Logger } from 'pino';
import { versionName } from '../core/index.js';
import type { Follower } from '../residency/index.js';
import { ModelRepository } from '../serving/index.js';
import { Deliverer } from '../webhooks/index.js';
import { openFrontDoor } from './front-door.js';
import { compareVersions, type ComparedVersions } from './compare-answers.js';
import { Heartbeat } from './heartbeat.js';
import type { Modelkeep, NodeParts } from './modelkeep.js';
import { openModelkeep, type OpenOptions } from './open.js';
import { otherStoreOpener } from './other-stores.js';
import { preload } from './preload.js';
import type { Settings } from './settings.js';
import { cacheSource } from './verify-sources.js';

/** A swap is tried again until it succeeds: what it fails with is news, and again when it had not failed so for this long. */
const SAME_FAILURE_MS = 600_000;

/** Options of {@link serve}. */
export interface ServeOptions extends OpenOptions {
  readonly settings: Settings;
  /** This software's version. */
  readonly version: string;
  /** Takes the JSON log; absent: standard error. */
  readonly logger?: Logger;
}

/** A running server. */
export interface RunningServer extends AsyncDisposable {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Where management, status and metrics are, if they have a port of their own. */
  readonly adminUrl?: string;
  /** Where gRPC is served, such as `127.0.0.1:8081`; absent if it is not. */
  readonly grpc?: string;
  readonly keep: Modelkeep;
  /** Takes no new connection, answers what is in flight, gives everything back. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens a node and serves it over HTTP and gRPC. Resolves when it listens and the preloaded versions are ready.
 *
 * @throws ModelkeepError as `openModelkeep`; `INVALID_INPUT` if the address or port cannot be had, or if it would
 * listen beyond this machine with nobody being asked for credentials; what a preloaded reference says
 */
export async function serve({ settings, version, logger, ...options }: ServeOptions): Promise<RunningServer> {
  const { pino } = await import('pino');
  const log = logger ?? pino({ level: settings.logLevel, base: null }, pino.destination(2));
  const door = await openFrontDoor(settings, (error) => log.error({ err: error }, 'the keys cannot be read'));
  const keep = await openModelkeep({
    ...settings,
    ...options,
    onRunnerLog: (line) => log.warn({ line }, 'runner wrote'),
  });
  try {
    logEvents(log, keep);
    const repository = new ModelRepository(keep.parts);
    await preload(keep, settings);
    const own = {
      openOtherStore: otherStoreOpener(settings),
      repairSources: [cacheSource(settings.cacheDir)],
      compareAnswers: (...asked: ComparedVersions) => compareVersions(keep, ...asked),
    };
    const parts = { ...settings, ...keep.parts, ...door, ...own, repository, version, logger: log };
    // The protocols take 7 MB and a fifth of a second: only servers pay for them, not every command and library.
    const { listenHttp } = await import('./listen-http.js');
    const { listenGrpc } = await import('./listen-grpc.js');
    const http = await listenHttp(parts);
    const grpc = await listenGrpc(parts).catch(async (error: unknown) => {
      await http.close();
      throw error;
    });
    const heartbeat = new Heartbeat(keep, (error) =>
      log.debug({ err: error }, 'the store took no report of this node'),
    );
    const deliverer = openDeliverer(keep.store, settings, log);
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= Promise.all([http.close(), grpc?.close()])
        .then(() => deliverer.close())
        .then(() => heartbeat.close())
        .then(() => keep.close());
      return closing;
    };
    return {
      ...http,
      ...(grpc === undefined ? {} : { grpc: grpc.address }),
      keep,
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await keep.close();
    throw error;
  }
}

/** Delivers the webhooks of the store, while no other server does. */
function openDeliverer(store: Modelkeep['store'], settings: Settings, log: Logger): Deliverer {
  return new Deliverer(store, {
    allowPrivate: settings.webhookAllowPrivate,
    onTrouble: ({ error, webhook, event, retryInMs }) => {
      if (webhook === undefined) log.debug({ err: error }, 'the log of the store cannot be read for webhooks');
      else log.warn({ webhook: webhook.id, err: error, event, retryInMs }, 'a webhook did not take an event');
    },
  });
}

function logEvents(log: Logger, { parts: { residency, follower, pool, watchman, service } }: Modelkeep): void {
  logTraffic(log, { follower, watchman, service });
  residency.on('transition', ({ record, from, to, durationMs, bytes, error }) => {
    const facts = { version: versionName(record), from, to, ms: Math.round(durationMs), bytes };
    if (error === undefined) log.debug(facts, 'version changed its state');
    else log.error({ ...facts, err: error }, 'version could not be loaded');
  });
  residency.on('quarantined', (record, error) =>
    log.error({ version: versionName(record), err: error }, 'version is in quarantine'),
  );
  follower.on('fell-back', (reference, from, to) =>
    log.error({ reference, from: from.version, to: to.version }, 'the version before answers again'),
  );
  residency.on('compiled', ({ record, durationMs, error }) => {
    const facts = { version: versionName(record), ms: Math.round(durationMs) };
    if (error === undefined) log.info(facts, 'compiled and taken over');
    else log.warn({ ...facts, err: error }, 'could not be compiled, it is served as it is');
  });
  residency.on('renewed', (bytes) => log.info({ bytes }, 'runners that kept memory were started anew'));
  residency.on('not-renewed', (error) => log.warn({ err: error }, 'runners keep memory and could not be started anew'));
  residency.on('evicted', (record, why) => log.info({ version: versionName(record), why }, 'let go'));
  residency.on('trouble', (record, error) =>
    log.error(
      { version: versionName(record), err: error },
      'a runner could not load a version, or not in its compiled form',
    ),
  );
  logSwaps(log, follower);
  follower.on('reachable', ({ reachable, error }) => {
    if (reachable) log.info('the store answers again');
    else log.warn({ error }, 'the store does not answer, what is resident is served on');
  });
  pool.events.on('mode', (runner, from) => {
    const { pid, mode } = runner;
    if (mode === 'hung') log.error({ pid, err: runner.whyGone }, 'runner hung, it is ended and replaced');
    if (mode === 'dead' && (from === 'free' || from === 'busy'))
      log.error({ pid, err: runner.whyGone }, 'runner ended, it is replaced');
  });
  pool.events.on('failed', (error) => log.error({ err: error }, 'runner could not be started, tried again'));
}

function logSwaps(log: Logger, follower: Follower): void {
  const failing = new Map<string, { readonly cause: string; readonly atMs: number }>();
  follower.on('swapped', (reference, from, to, seconds) => {
    failing.delete(reference);
    log.info(
      { reference, from: from.version, to: to.version, publishedSecondsAgo: Math.round(seconds * 10) / 10 },
      'swapped',
    );
  });
  follower.on('swap-failed', (reference, error) => {
    const atMs = performance.now();
    const last = failing.get(reference);
    // The message may say what else there is, which changes.
    const cause = JSON.stringify([error.code, error.details]);
    const isKnown = last?.cause === cause && atMs - last.atMs < SAME_FAILURE_MS;
    failing.set(reference, { cause, atMs });
    log[isKnown ? 'debug' : 'error']({ reference, err: error }, 'swap failed, the old version goes on serving');
  });
}

function logTraffic(
  log: Logger,
  { follower, watchman, service }: Pick<NodeParts, 'follower' | 'watchman' | 'service'>,
) {
  follower.on('traffic', ({ text, alias }) =>
    log.info({ reference: text, traffic: alias?.traffic }, 'shared otherwise'),
  );
  watchman.on('rolled-back', (reference, from, why) =>
    log.error({ reference, from: from.version, why }, 'moved back from a version'),
  );
  watchman.on('failed', (reference, error) => log.error({ reference, err: error }, 'could not be moved back'));
  watchman.on('unrecorded', (error) => log.warn({ err: error }, 'the store took no record of a version held back'));
  service.on('compared', ({ reference, shadow, error }) => {
    if (error !== undefined)
      log.warn({ reference, shadow: versionName(shadow), err: error }, 'a shadow did not answer');
  });
}
