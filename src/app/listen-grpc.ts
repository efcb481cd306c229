import { isIPv6 } from 'node:net';
import type { Logger } from 'pino';
import { ModelkeepError } from '../core/index.js';
import { GrpcServer, type GrpcServerOptions } from '../protocols/index.js';
import type { Settings } from './settings.js';

/** A gRPC server that listens. */
export interface ListeningGrpc {
  /** Host and port, as clients want them. */
  readonly address: string;
  /** Takes no new call and answers those in flight. */
  close(): Promise<void>;
}

/** Time for the calls in flight at the end where requests have no limit, in ms. */
const LONGEST_GRACE_MS = 600_000;

function portFor({ port, grpcPort }: Pick<Settings, 'port' | 'grpcPort'>): number | undefined {
  if (grpcPort === 'off') return undefined;
  if (grpcPort !== 'next') return grpcPort;
  return port === 0 ? 0 : port + 1;
}

/** Answered calls at level `debug`, refused ones at `info`; of failed ones, the error has a line of its own. */
function levelOf(status: string): 'debug' | 'info' {
  return status === 'OK' ? 'debug' : 'info';
}

/**
 * Serves gRPC as the settings say; undefined if they say that it is off.
 *
 * @throws ModelkeepError `INVALID_INPUT` if the address or port cannot be had
 */
export async function listenGrpc({
  logger,
  ...options
}: Omit<GrpcServerOptions, 'graceMs' | 'onFailure' | 'onAnswered' | 'manages'> &
  Pick<Settings, 'host' | 'port' | 'grpcPort' | 'adminPort' | 'requestTimeoutMs'> & {
    readonly logger: Logger;
  }): Promise<ListeningGrpc | undefined> {
  const port = portFor(options);
  if (port === undefined) return undefined;
  const { host, adminPort, requestTimeoutMs } = options;
  const server = new GrpcServer({
    ...options,
    manages: adminPort < 0,
    graceMs: requestTimeoutMs === 0 ? LONGEST_GRACE_MS : requestTimeoutMs,
    onAnswered: ({ path, ...call }) => logger[levelOf(call.status)]({ route: path, ...call }, 'call answered'),
    onFailure: (error, path) => logger.error({ err: error, code: error.code, path }, 'call failed'),
  });
  try {
    const bound = await server.listen(host, port);
    return { address: `${isIPv6(host) ? `[${host}]` : host}:${bound}`, close: () => server.close() };
  } catch (error) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `Cannot listen for gRPC on ${host}, port ${port} (${(error as Error).message}): ` +
        'choose another with --grpc-port, or say --grpc-port off',
      { cause: error },
    );
  }
}
