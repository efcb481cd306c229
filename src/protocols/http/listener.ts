import { createServer as createPlainServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { ModelkeepError } from '../../core/index.js';

/** Certificates in PEM. */
export interface TlsMaterial {
  /** The server's certificate with its chain. */
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Authorities; with them every client must show a certificate that one of them signed. */
  readonly clientCa?: Buffer;
}

/** What one connection may cost. */
export interface ConnectionLimits {
  /** Largest header of a request, in bytes. */
  readonly maxHeaderBytes: number;
  /** Connections that may be open at once. */
  readonly maxConnections: number;
  /** Time in which the header of a request must have arrived, in ms. */
  readonly headersTimeoutMs: number;
  /** Time in which a request must have arrived with its body, in ms. */
  readonly receiveTimeoutMs: number;
}

/** How often the times of clients that send slowly are looked at, in ms. */
const CHECK_CONNECTIONS_MS = 1_000;

/** The listener under the server, with TLS where there are certificates. */
export function createListener(
  limits: ConnectionLimits,
  tls: TlsMaterial | undefined,
  handler: RequestListener,
): Server {
  const { maxHeaderBytes, headersTimeoutMs, receiveTimeoutMs } = limits;
  const options = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: Math.min(headersTimeoutMs, receiveTimeoutMs),
    requestTimeout: receiveTimeoutMs,
    connectionsCheckingInterval: Math.min(CHECK_CONNECTIONS_MS, headersTimeoutMs),
  };
  // Without it, who connects and never greets would hold a connection for two minutes.
  const secure = { ...options, handshakeTimeout: options.headersTimeout };
  const server = tls === undefined ? createPlainServer(options, handler) : createSecure(secure, tls, handler);
  server.maxConnections = limits.maxConnections;
  return server;
}

function createSecure(options: object, { cert, key, clientCa }: TlsMaterial, handler: RequestListener): Server {
  const mutual = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  try {
    return createTlsServer({ ...options, cert, key, minVersion: 'TLSv1.2', ...mutual }, handler);
  } catch (error) {
    const message = `The TLS certificate and key cannot be used: ${(error as Error).message}`;
    throw new ModelkeepError('INVALID_INPUT', message, { cause: error });
  }
}

/** What is not HTTP, too long a header, or came too slowly: answered here, as it never becomes a request. */
export function refuseConnection({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (code === 'ECONNRESET' || socket.destroyed) return;
  // Before both sides agreed on keys no word can be said: what is written would wait, and hold the connection for ever.
  if (/^(ERR_(SSL|TLS)_|EPROTO$)/.test(code ?? '')) {
    socket.destroy();
    return;
  }
  const [status, why] =
    code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'The request did not arrive in time']
      : code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'The header of the request is too large']
        : ['400 Bad Request', 'This is not a well-formed HTTP request'];
  const body = JSON.stringify({ error: why, code: 'INVALID_INPUT' });
  const head = `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: ${body.length}\r\ncontent-type: application/json`;
  if (socket.writable) socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy());
  else socket.destroy();
}
