import type { FastifyInstance } from 'fastify';
import { ModelkeepError } from '../core/index.js';
import { createHttpServer, type HttpServerOptions } from '../protocols/index.js';
import type { Settings } from './settings.js';

/** HTTP servers that listen. */
export interface ListeningHttp {
  readonly url: string;
  /** Where management is, if it has a port of its own. */
  readonly adminUrl?: string;
  /** Takes no new connection and answers what is in flight. */
  close(): Promise<void>;
}

/**
 * Listens on the port of the settings, and on that for management where there is one.
 *
 * @throws ModelkeepError `INVALID_INPUT` if a port cannot be had; then none is listened on
 */
export async function listenHttp(
  options: HttpServerOptions & Pick<Settings, 'host' | 'port' | 'adminPort'>,
): Promise<ListeningHttp> {
  const { host, port, adminPort } = options;
  const opened: FastifyInstance[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((server) => server.close()));
  };
  const listen = async (groups: Parameters<typeof createHttpServer>[1], at: number, flag: string): Promise<string> => {
    const server = createHttpServer(options, groups);
    opened.push(server);
    const url = await listenOn(server, host, at, flag);
    // The framework does not know what its listener does.
    return options.tls === undefined ? url : url.replace(/^http:/, 'https:');
  };
  try {
    if (adminPort < 0) return { url: await listen(['inference', 'management'], port, '--port'), close };
    const url = await listen(['inference'], port, '--port');
    return { url, adminUrl: await listen(['management'], adminPort, '--admin-port'), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listenOn(server: FastifyInstance, host: string, port: number, flag: string): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'EADDRINUSE' ? `port ${port} is taken: choose another with ${flag}` : message;
    throw new ModelkeepError('INVALID_INPUT', `Cannot listen on ${host}: ${why}`, { cause: error });
  }
}
