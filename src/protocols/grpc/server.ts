import { once } from 'node:events';
import { createServer, type AddressInfo, type Server as Listener } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Access } from '../../access/index.js';
import type { TlsMaterial } from '../http/listener.js';
import { healthService, inferenceService } from './definitions.js';
import { guard, operationOf } from './guard.js';
import { Health } from './health.js';
import { inferenceCalls, type InferenceCallsOptions } from './inference-calls.js';
import { limitMetadata } from './metadata-limit.js';
import { observe, type ObserveOptions } from './observe.js';

/** Options of {@link GrpcServer}. */
export interface GrpcServerOptions extends InferenceCallsOptions, ObserveOptions {
  /** Largest message of a request, in bytes, decompressed. */
  readonly maxBodyBytes: number;
  /** Largest metadata of a call, in bytes. */
  readonly maxHeaderBytes: number;
  /** Connections that may be open at once; the next one is closed. */
  readonly maxConnections: number;
  /** Tells who asks. */
  readonly access: Access;
  /** Absent: connections are not encrypted. */
  readonly tls?: TlsMaterial;
  /** How long calls in flight may take once the server closes, in ms; then they are cut off. At least 1. */
  readonly graceMs: number;
}

/** Calls that one connection may have open; a client queues the next by itself. */
const MOST_STREAMS = 1_000;
/** A peer that has been silent for so long is asked whether it is there, and has so long to answer, in ms. */
const KEEPALIVE_MS = 60_000;
const KEEPALIVE_ANSWER_MS = 20_000;

/** As for HTTP: with authorities every client must show a certificate that one of them signed. */
function credentialsOf(tls: TlsMaterial | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const { cert, key, clientCa } = tls;
  return ServerCredentials.createSsl(
    clientCa ?? null,
    [{ cert_chain: cert, private_key: key }],
    clientCa !== undefined,
  );
}

/** The Open Inference Protocol v2 over gRPC, with the standard health service. */
export class GrpcServer {
  readonly #server: Server;
  readonly #health = new Health();
  readonly #listener: Listener;
  readonly #graceMs: number;
  #closing: Promise<void> | undefined;

  constructor(options: GrpcServerOptions) {
    this.#graceMs = options.graceMs;
    this.#server = new Server({
      // The first is nearest to the client: it sees what the next ones refuse.
      interceptors: [observe(options), limitMetadata(options.maxHeaderBytes), guard(options.access)],
      'grpc.max_receive_message_length': options.maxBodyBytes,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': MOST_STREAMS,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_ANSWER_MS,
      // Its traces of every call would cost memory and are read by nobody.
      'grpc.enable_channelz': 0,
    });
    const inference = inferenceService();
    const health = healthService();
    for (const { path } of [...Object.values(inference), ...Object.values(health)]) operationOf(path);
    this.#server.addService(inference, inferenceCalls(options));
    this.#server.addService(health, this.#health.calls(options.onFailure));
    // A listener of our own, since the library's knows no limit of connections.
    const connections = this.#server.createConnectionInjector(credentialsOf(options.tls));
    this.#listener = createServer({ noDelay: true }, (socket) => connections.injectConnection(socket));
    this.#listener.maxConnections = options.maxConnections;
  }

  /** Listens; resolves to the port, which is a free one if `port` is 0. @throws Error what the system says */
  async listen(host: string, port: number): Promise<number> {
    this.#listener.listen({ host, port });
    await once(this.#listener, 'listening');
    return (this.#listener.address() as AddressInfo).port;
  }

  /** Takes no new call and answers those in flight. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve, reject) => {
      this.#health.stop();
      this.#listener.close();
      const timer = setTimeout(() => this.#server.forceShutdown(), this.#graceMs);
      this.#server.tryShutdown((error) => {
        clearTimeout(timer);
        if (error === undefined) resolve();
        else reject(error);
      });
    });
    return this.#closing;
  }
}
