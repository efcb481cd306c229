import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { MongoClient } from 'mongodb';

/** Options of {@link startMongo}. */
export interface MongoOptions {
  /** With a user `keeper` (password `hunter2`) and refusing everybody else. Needs `storagePath`. @defaultValue false */
  readonly auth?: boolean;
  /** With `configureFailPoint`. @defaultValue false */
  readonly testCommands?: boolean;
  /** Without a replica set, so without change streams. @defaultValue false */
  readonly standalone?: boolean;
  /** Where it keeps its data; needed to restart with it. @defaultValue in memory */
  readonly storagePath?: string;
}

/** A disposable server on 127.0.0.1. */
export interface MongoServer {
  readonly port: number;
  /** The URL of a database on it. */
  uri(database: string): string;
  /** Ends it in order; idempotent. */
  stop(): Promise<void>;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same port and storage. */
  restart(): Promise<void>;
}

interface Found {
  readonly kind: 'mongod' | 'secantus';
  readonly program: string;
}

async function findServer(): Promise<Found> {
  const script = fileURLToPath(new URL('../../scripts/mongodb-server.mjs', import.meta.url));
  const module = (await import(pathToFileURL(script).href)) as { findMongoServer(): Promise<Found> };
  return module.findMongoServer();
}

/** The user of a server with `auth`. */
export const USER = Object.freeze({ name: 'keeper', password: 'hunter2' });

function argumentsOf({ kind }: Found, port: number, storage: string, options: MongoOptions): string[] {
  if (kind === 'secantus') {
    return [
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '--storage-path',
      storage,
      ...(options.standalone === true ? ['--standalone'] : []),
      ...(options.auth === true ? ['--auth'] : []),
      ...(options.testCommands === true ? ['--enable-test-commands'] : []),
    ];
  }
  return [
    '--bind_ip',
    '127.0.0.1',
    '--port',
    String(port),
    '--dbpath',
    storage,
    ...(options.standalone === true || options.auth === true ? [] : ['--replSet', 'modelkeep']),
    ...(options.auth === true ? ['--auth'] : []),
    ...(options.testCommands === true ? ['--setParameter', 'enableTestCommands=1'] : []),
  ];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('No free port on 127.0.0.1');
  return address.port;
}

/** Resolves when the server answers; fails at once if the process ended, and after 30 s. */
async function untilReady(child: ChildProcess, port: number, initiate: boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
      serverSelectionTimeoutMS: 1_000,
    });
    try {
      const hello = await client.db('admin').command({ hello: 1 });
      if (!initiate || hello['isWritablePrimary'] === true) return;
      if (hello['setName'] === undefined) await client.db('admin').command({ replSetInitiate: {} });
    } catch (error) {
      const ended = child.exitCode !== null || child.signalCode !== null;
      if (ended || Date.now() > deadline) throw new Error(`No server on port ${port}`, { cause: error });
    } finally {
      await client.close();
    }
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

async function launch(found: Found, args: readonly string[], port: number): Promise<ChildProcess> {
  const started = spawn(found.program, args, { stdio: 'ignore' });
  await once(started, 'spawn');
  try {
    await untilReady(started, port, args.includes('--replSet'));
    return started;
  } catch (error) {
    await end(started, 'SIGKILL');
    throw error;
  }
}

/** Creates the user of a server that does not ask for one yet. */
async function createUser(port: number): Promise<void> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`);
  try {
    await client.db('admin').command({ createUser: USER.name, pwd: USER.password, roles: ['root'] });
  } finally {
    await client.close();
  }
}

function refuse(): Promise<never> {
  return Promise.reject(new Error('The server of MODELKEEP_TEST_MONGODB_URI is not ours to stop'));
}

/** An outside server that `MODELKEEP_TEST_MONGODB_URI` names, for tests that need nothing special of it. */
function outside(uri: string): MongoServer {
  const url = new URL(uri);
  return {
    port: Number(url.port || 27_017),
    uri(database) {
      url.pathname = `/${database}`;
      return url.href;
    },
    stop: () => Promise.resolve(),
    kill: refuse,
    restart: refuse,
  };
}

/** Starts a server of its own and waits until it answers. */
export async function startMongo(options: MongoOptions = {}): Promise<MongoServer> {
  const given = process.env['MODELKEEP_TEST_MONGODB_URI'];
  if (given !== undefined && Object.keys(options).length === 0) return outside(given);
  const found = await findServer();
  const port = await freePort();
  const own =
    options.storagePath === undefined && (found.kind === 'mongod' || options.auth === true)
      ? await mkdtemp(join(tmpdir(), 'modelkeep-mongo-'))
      : undefined;
  const storage = options.storagePath ?? own ?? ':memory:';
  if (options.auth === true) {
    const open = await launch(found, argumentsOf(found, port, storage, { ...options, auth: false }), port);
    await createUser(port);
    await end(open, 'SIGTERM');
  }
  const args = argumentsOf(found, port, storage, options);
  let child = await launch(found, args, port);
  const credentials = options.auth === true ? `${USER.name}:${USER.password}@` : '';
  return {
    port,
    uri: (database) =>
      `mongodb://${credentials}127.0.0.1:${port}/${database}?directConnection=true${options.auth === true ? '&authSource=admin' : ''}`,
    async stop() {
      await end(child, 'SIGTERM');
      if (own !== undefined) await rm(own, { recursive: true, force: true });
    },
    kill: () => end(child, 'SIGKILL'),
    async restart() {
      await end(child, 'SIGTERM');
      child = await launch(found, args, port);
    },
  };
}
