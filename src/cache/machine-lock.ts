import { createHash } from 'node:crypto';
import { createServer, connect, type Server } from 'node:net';
import { join } from 'node:path';
import { unlink } from 'node:fs/promises';
import { ModelkeepError, throwIfAborted } from '../core/index.js';

/**
 * A lock among the processes of one machine: whoever listens on the name holds it. The kernel releases it the moment
 * the holder ends, however it ends, and those who wait are told by the closing of their connection. On Linux the name
 * is an abstract socket, on Windows a named pipe, elsewhere a socket file in `folder`. Processes in other network
 * namespaces are not seen: they do the work twice, which must be harmless.
 */
export interface MachineLock {
  release(): Promise<void>;
}

function addressOf(folder: string, name: string): { readonly path: string; readonly isFile: boolean } {
  const id = createHash('sha256').update(`${folder}\0${name}`).digest('hex').slice(0, 32);
  if (process.platform === 'linux') return { path: `\0modelkeep-${id}`, isFile: false };
  if (process.platform === 'win32') return { path: `\\\\?\\pipe\\modelkeep-${id}`, isFile: false };
  return { path: join(folder, `.lock-${id}`), isFile: true };
}

/** Listens on the address; undefined if somebody else does. */
function tryListen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(new ModelkeepError('INTERNAL', `Cannot take a lock: ${error.message}`, { cause: error }));
    });
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** Waits until the holder ends its connection; `'dead'` if nobody listens. */
function holderGone(path: string, signal: AbortSignal | undefined): Promise<'gone' | 'dead'> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let connected = false;
    const onAbort = (): void => {
      socket.destroy();
    };
    socket.once('connect', () => (connected = true));
    // Whatever the reason, 'close' follows; the caller then tries to take the lock again.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      signal?.removeEventListener('abort', onAbort);
      resolve(connected ? 'gone' : 'dead');
    });
    socket.resume();
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
  });
}

/**
 * Takes the lock `name` of a folder, waiting for other processes.
 *
 * @throws ModelkeepError `CANCELLED` or `DEADLINE_EXCEEDED` when the signal fires
 */
export async function lockOnMachine(folder: string, name: string, signal?: AbortSignal): Promise<MachineLock> {
  const { path, isFile } = addressOf(folder, name);
  for (;;) {
    throwIfAborted(signal);
    const server = await tryListen(path);
    if (server !== undefined) return held(server);
    const state = await holderGone(path, signal);
    // A socket file outlives a holder that was killed; nobody listening means that it is a leftover.
    if (state === 'dead' && isFile) await unlink(path).catch(() => undefined);
  }
}

function held(server: Server): MachineLock {
  const waiting = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    waiting.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => waiting.delete(socket));
    socket.unref();
  });
  return {
    release: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of waiting) socket.destroy();
      }),
  };
}
