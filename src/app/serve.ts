import { once } from 'node:events';
import { pino, type Logger } from 'pino';
import { createHttpServer } from '../protocols/index.js';
import { ModelkeepError, versionName } from '../core/index.js';
import { Heartbeat } from './heartbeat.js';
import { openModelkeep, type Modelkeep, type OpenOptions } from './open.js';
import type { Settings } from './settings.js';

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
  readonly keep: Modelkeep;
  /** Takes no new connection, answers what is in flight, gives everything back. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens a node and serves it over HTTP. Resolves when it listens and the preloaded versions are ready.
 *
 * @throws ModelkeepError as `openModelkeep`; `INVALID_INPUT` if the address or port cannot be had; what a preloaded
 * reference says
 */
export async function serve({ settings, version, logger, ...options }: ServeOptions): Promise<RunningServer> {
  const log = logger ?? pino({ level: settings.logLevel, base: null }, pino.destination(2));
  const keep = await openModelkeep({
    ...settings,
    ...options,
    onRunnerLog: (line) => log.warn({ line }, 'runner wrote'),
  });
  try {
    logEvents(log, keep);
    for (const reference of settings.pin) await keep.pin(reference);
    for (const reference of settings.preload) await keep.load(reference);
    const { service, residency, follower } = keep.parts;
    const { maxBodyBytes, host, port } = settings;
    const server = createHttpServer({ service, residency, follower, version, maxBodyBytes, logger: log });
    const url = await listen(server.listen({ host, port }), host, port);
    const heartbeat = new Heartbeat(keep, (error) =>
      log.debug({ err: error }, 'the store took no report of this node'),
    );
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= server
        .close()
        .then(() => heartbeat.close())
        .then(() => keep.close());
      return closing;
    };
    return { url, keep, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await keep.close();
    throw error;
  }
}

async function listen(listening: Promise<string>, host: string, port: number): Promise<string> {
  try {
    return await listening;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'EADDRINUSE' ? `port ${port} is taken: choose another with --port or MODELKEEP_PORT` : message;
    throw new ModelkeepError('INVALID_INPUT', `Cannot listen on ${host}: ${why}`, { cause: error });
  }
}

function logEvents(log: Logger, { parts: { residency, follower, pool, pickles } }: Modelkeep): void {
  residency.on('transition', ({ record, from, to, durationMs, error }) => {
    const facts = { version: versionName(record), from, to, ms: Math.round(durationMs) };
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
  residency.on('evicted', (record, why) => log.info({ version: versionName(record), why }, 'let go'));
  residency.on('trouble', (record, error) =>
    log.error(
      { version: versionName(record), err: error },
      'a runner could not load a version, or not in its compiled form',
    ),
  );
  follower.on('swapped', (reference, from, to, seconds) => {
    log.info(
      { reference, from: from.version, to: to.version, publishedSecondsAgo: Math.round(seconds * 10) / 10 },
      'swapped',
    );
  });
  follower.on('swap-failed', (reference, error) =>
    log.error({ reference, err: error }, 'swap failed, the old version goes on serving'),
  );
  follower.on('reachable', ({ reachable, error }) => {
    if (reachable) log.info('the store answers again');
    else log.warn({ error }, 'the store does not answer, what is resident is served on');
  });
  for (const one of [pool, pickles]) {
    one?.on('ended', (runner, error) => log.error({ pid: runner.pid, err: error }, 'runner ended, it is replaced'));
    one?.on('failed', (error) => log.error({ err: error }, 'runner could not be started, tried again'));
  }
}

/** Resolves when the signal fires. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}
