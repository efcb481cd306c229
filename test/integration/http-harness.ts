import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { expect, vi } from 'vitest';
import { openStore, push, resolveSettings, serve, type RunningServer, type Settings } from '../../src/app/index.js';

/** Where the test's models lie. */
export const FIXTURES = resolve('test/fixtures');

/** A folder with a store and a cache, removed at the end. */
export interface ModelHome extends Disposable {
  readonly root: string;
  /** The store's URL. */
  readonly url: string;
  /** Publishes an absolute path, or one below {@link FIXTURES}. */
  publish(path: string, name: string): Promise<void>;
  /** Moves an alias. */
  setAlias(model: string, alias: string, to: number): Promise<void>;
}

/** Makes an empty {@link ModelHome}. */
export function modelHome(): ModelHome {
  const root = mkdtempSync(join(tmpdir(), 'modelkeep-http-'));
  const url = `file://${join(root, 'store')}`;
  return {
    root,
    url,
    async publish(path, name) {
      await using store = await openStore(url);
      await push(store, resolve(FIXTURES, path), { name });
    },
    async setAlias(model, alias, to) {
      await using store = await openStore(url);
      await store.moveAlias({ model, alias, to });
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** An answer of the server, read to its end. */
export interface Answer<T = unknown> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** A running server with a client for it. */
export interface TestServer extends AsyncDisposable {
  readonly running: RunningServer;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Sends `body` as JSON, or as it is if it is a string. */
  post(path: string, body: unknown, options?: PostOptions): Promise<Answer>;
  close(): Promise<void>;
}

/** Options of {@link TestServer.post}. */
export interface PostOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Serves a home on a free port, as `modelkeep serve` does. */
export async function startServer(
  home: Pick<ModelHome, 'root' | 'url'>,
  flags: Partial<Record<keyof Settings, unknown>> = {},
  logger?: Logger,
): Promise<TestServer> {
  const { values } = resolveSettings({
    flags: {
      store: home.url,
      cacheDir: join(home.root, 'cache'),
      port: 0,
      runners: 1,
      threads: 1,
      logLevel: 'silent',
      ...flags,
    },
  });
  const running = await serve({ settings: values, version: '0.0.0-test', ...(logger === undefined ? {} : { logger }) });
  const ask = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(`${running.url}${path}`, init);
    const text = await response.text();
    const isJson = (response.headers.get('content-type') ?? '').startsWith('application/json');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  };
  const close = () => running.close();
  return {
    running,
    get: (path, headers = {}) => ask(path, { headers }),
    post: (path, body, { headers = {}, signal } = {}) =>
      ask(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...(signal === undefined ? {} : { signal }),
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Stops the only runner of a server, so that what is asked meanwhile stays in flight, until it is resumed. */
export function pauseRunner({ running }: TestServer): Disposable & { resume(): void } {
  const [runner] = running.keep.status().runners;
  if (runner === undefined) throw new Error('There is no runner to pause');
  process.kill(runner.pid, 'SIGSTOP');
  let paused = true;
  const resume = (): void => {
    if (paused) process.kill(runner.pid, 'SIGCONT');
    paused = false;
  };
  return { resume, [Symbol.dispose]: resume };
}

/** Resolves when the only runner has `inFlight` requests and `waiting` more wait, all of them of one version. */
export async function untilBusy({ running }: TestServer, inFlight: number, waiting: number): Promise<void> {
  await vi.waitFor(() => {
    const status = running.keep.status();
    expect(status.runners.map((runner) => runner.inFlight)).toEqual([inFlight]);
    expect(Object.values(status.waiting).reduce((sum, count) => sum + count, 0)).toBe(waiting);
  });
}

/** One row of a `golden.jsonl`. */
export interface Golden {
  readonly text: string;
  readonly label: string;
  readonly score: number;
  readonly probabilities: readonly number[];
}

/** The goldens of a folder below {@link FIXTURES}. */
export function goldensOf(folder: string): readonly Golden[] {
  return readFileSync(join(FIXTURES, folder, 'golden.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Golden);
}

/** One answer of text classification. */
export interface Label {
  readonly label: string;
  readonly score: number;
}
