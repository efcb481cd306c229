import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { MongoClient } from 'mongodb';

/** Options of {@link startMongo}. */
export interface MongoOptions {
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
  const found = await module.findMongoServer();
  if (found.kind === 'secantus') return found;
  throw new Error('Starting mongod is not supported yet: take it off PATH to use SecantusDB');
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

/** Resolves when the server answers a ping; fails at once if the process ended, and after 20 s. */
async function untilReady(child: ChildProcess, port: number): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
      serverSelectionTimeoutMS: 1_000,
    });
    try {
      await client.db('admin').command({ ping: 1 });
      return;
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

/** Starts a server of its own and waits until it answers. */
export async function startMongo(options: MongoOptions = {}): Promise<MongoServer> {
  const { program } = await findServer();
  const port = await freePort();
  const args = ['--host', '127.0.0.1', '--port', String(port), '--storage-path', options.storagePath ?? ':memory:'];
  if (options.standalone === true) args.push('--standalone');
  const launch = async (): Promise<ChildProcess> => {
    const started = spawn(program, args, { stdio: 'ignore' });
    await once(started, 'spawn');
    try {
      await untilReady(started, port);
    } catch (error) {
      await end(started, 'SIGKILL');
      throw error;
    }
    return started;
  };
  let child = await launch();
  return {
    port,
    uri: (database) => `mongodb://127.0.0.1:${port}/${database}?directConnection=true`,
    stop: () => end(child, 'SIGTERM'),
    kill: () => end(child, 'SIGKILL'),
    async restart() {
      await end(child, 'SIGTERM');
      child = await launch();
    },
  };
}
