import { setTimeout as delay } from 'node:timers/promises';
import type { ChangeStream, TopologyDescriptionChangedEvent } from 'mongodb';
import type { Watch, WatchOptions } from '../../core/index.js';
import type { Database } from './database.js';
import { UNADOPTED } from './documents.js';
import { mongoError } from './errors.js';

/** First and longest pause before a broken change stream is opened again, in ms. */
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;
/** How long the server waits for changes before it answers with none, in ms. */
const MAX_AWAIT_MS = 1_000;

/** A pause of `ms` ± 20 %, so that many nodes do not ask at the same moment. Ends early when the signal fires. */
async function jittered(ms: number, signal: AbortSignal): Promise<void> {
  // Rejects only when the watch closes, which its loop sees.
  await delay(ms * (0.8 + 0.4 * Math.random()), undefined, { signal, ref: false }).catch(() => undefined);
}

/** Tells of changes: by change stream where the deployment has them, else by looking every `pollIntervalMs`. */
export async function openWatch(database: Database, options: WatchOptions, pollIntervalMs: number): Promise<Watch> {
  const stop = new AbortController();
  const stopReachable = watchReachable(database, options);
  const running = database.replicated
    ? await startStream(database, options, stop.signal)
    : startPoll(database, options, pollIntervalMs, stop.signal);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      stop.abort();
      stopReachable();
      await running.end;
    })();
    return closing;
  };
  return { close, [Symbol.asyncDispose]: close };
}

/** The driver's own monitor knows first when servers come and go. */
function watchReachable({ client, location }: Database, { onReachable }: WatchOptions): () => void {
  let reachable = true;
  const listener = ({ newDescription }: TopologyDescriptionChangedEvent): void => {
    const servers = [...newDescription.servers.values()];
    const now = servers.some(({ type }) => type !== 'Unknown');
    if (now === reachable) return;
    reachable = now;
    const error = servers.find((server) => server.error !== null)?.error;
    onReachable?.(
      now,
      now ? undefined : mongoError(error ?? new Error('no server is known'), location, 'reach the store'),
    );
  };
  client.on('topologyDescriptionChanged', listener);
  return () => client.off('topologyDescriptionChanged', listener);
}

interface Change {
  readonly fullDocument?: { readonly model_name?: string };
  readonly documentKey?: { readonly _id?: { readonly model_name?: string } };
}

function openStream({ db }: Database): ChangeStream {
  const pipeline = [{ $match: { 'ns.coll': { $in: ['ModelStatus', 'ModelAliases'] } } }];
  return db.watch(pipeline, { fullDocument: 'updateLookup', maxAwaitTimeMS: MAX_AWAIT_MS });
}

/** Resolves once the first stream is open, to a promise of its end, wrapped so that it is not awaited here. */
async function startStream(
  database: Database,
  options: WatchOptions,
  signal: AbortSignal,
): Promise<{ readonly end: Promise<void> }> {
  const first = openStream(database);
  // The first question opens the stream at the server: what happens after it cannot be missed.
  const opened = await first.tryNext().catch(async (error: unknown) => {
    await first.close();
    throw mongoError(error, database.location, 'watch for changes');
  });
  if (opened !== null) announce(opened as Change, options);
  return { end: followStreams(database, first, options, signal) };
}

async function followStreams(
  database: Database,
  first: ChangeStream,
  options: WatchOptions,
  signal: AbortSignal,
): Promise<void> {
  let stream = first;
  let pauseMs = FIRST_PAUSE_MS;
  let hasMissed = false;
  const onOpen = (): void => {
    pauseMs = FIRST_PAUSE_MS;
    // Not before: what happens between a look and the opening would be missed, and a store that is away has no answer.
    if (hasMissed) announceAll(options);
    hasMissed = false;
  };
  while (!signal.aborted) {
    try {
      await drain(stream, options, signal, onOpen);
    } catch {
      // Whatever broke it, a new stream and a look at everything make up for what was missed.
      hasMissed = true;
      await stream.close().catch(() => undefined);
      await jittered(pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      stream = openStream(database);
    }
  }
  await stream.close().catch(() => undefined);
}

/** Announces what a stream brings until it breaks or the watch closes; `onOpen` once the server has opened it. */
async function drain(
  stream: ChangeStream,
  options: WatchOptions,
  signal: AbortSignal,
  onOpen: () => void,
): Promise<void> {
  const onAbort = (): void => void stream.close().catch(() => undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    for (let isOpen = false; !signal.aborted; isOpen = true) {
      const change = await stream.tryNext();
      if (signal.aborted) return;
      if (!isOpen) onOpen();
      if (change !== null) announce(change as Change, options);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function announce({ fullDocument, documentKey }: Change, options: WatchOptions): void {
  const { _id: key } = documentKey ?? {};
  const model = fullDocument?.model_name ?? key?.model_name;
  if (model === undefined) announceAll(options);
  else options.onChange(model);
}

function announceAll(options: WatchOptions): void {
  for (const model of options.models()) options.onChange(model);
}

/** Looks at the watched models every now and then; tells of those that look different. */
function startPoll(
  database: Database,
  options: WatchOptions,
  pollIntervalMs: number,
  signal: AbortSignal,
): { readonly end: Promise<void> } {
  const seen = new Map<string, string>();
  const poll = async (): Promise<void> => {
    while (!signal.aborted) {
      for (const model of options.models()) {
        const state = await fingerprint(database, model).catch(() => undefined);
        // A store that does not answer has not changed; `watchReachable` tells that it is away.
        if (signal.aborted || state === undefined || seen.get(model) === state) continue;
        seen.set(model, state);
        options.onChange(model);
      }
      await jittered(pollIntervalMs, signal);
    }
  };
  return { end: poll() };
}

/** What `latest` and the aliases of a model mean, and whether there is something to adopt. */
async function fingerprint({ status, aliases }: Database, model: string): Promise<string> {
  const projection = { _id: 0, version: 1 } as const;
  const [newest] = await status
    .find({ model_name: model, state: 'ready' }, { projection })
    .sort({ version: -1 })
    .limit(1)
    .toArray();
  const unadopted = await status.findOne({ model_name: model, ...UNADOPTED }, { projection: { _id: 1 } });
  const moved = await aliases.find({ '_id.model_name': model }).sort({ '_id.alias': 1 }).toArray();
  const { _id: waiting } = unadopted ?? {};
  return JSON.stringify([newest?.version, waiting, moved.map(({ _id, revision }) => [_id.alias, revision])]);
}
