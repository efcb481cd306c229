import { fileURLToPath } from 'node:url';
import {
  Client,
  credentials,
  Metadata,
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';

/** What a call came to: its answer, or the error with its status. */
export type Outcome<T = unknown> =
  | { readonly value: T; readonly error?: never }
  | { readonly value?: never; readonly error: ServiceError };

/** A client made from the `.proto` files that users get. */
export interface GrpcClient extends AsyncDisposable {
  /** Calls a method of `GRPCInferenceService` or `Health` by its name. */
  call(
    method: string,
    request: object,
    options?: CallOptions & { readonly metadata?: Readonly<Record<string, string>>; readonly signal?: AbortSignal },
  ): Promise<Outcome<Record<string, unknown>>>;
  /** Sends bytes that need not be a message. */
  callRaw(method: string, bytes: Buffer): Promise<Outcome<Buffer>>;
  /** The states of the server's health, each as it is told. */
  watchHealth(): AsyncIterator<string, void>;
}

const folder = fileURLToPath(new URL('../../../src/protocols/grpc/', import.meta.url));
const definitions = ['inference.proto', 'health.proto'].map((file) =>
  loadSync(`${folder}${file}`, { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true }),
);
const methods = Object.assign(
  {},
  ...definitions.flatMap((one) => [one['inference.GRPCInferenceService'], one['grpc.health.v1.Health']]),
) as ServiceDefinition;

/** Connects to `host:port`. @param security @defaultValue none */
export function grpcClient(
  address: string,
  options: ChannelOptions = {},
  security: ChannelCredentials = credentials.createInsecure(),
): GrpcClient {
  const channel = new Client(address, security, options);
  const send = <T>(
    path: string,
    bytes: Buffer,
    read: (bytes: Buffer) => T,
    { metadata = {}, signal, ...given }: NonNullable<Parameters<GrpcClient['call']>[2]> = {},
  ): Promise<Outcome<T>> =>
    new Promise((resolve) => {
      const headers = new Metadata();
      for (const [name, value] of Object.entries(metadata)) headers.set(name, value);
      const call = channel.makeUnaryRequest(
        path,
        (value: Buffer) => value,
        read,
        bytes,
        headers,
        given,
        (error, value) => {
          if (error !== null) resolve({ error });
          else resolve({ value: value as T });
        },
      );
      signal?.addEventListener('abort', () => call.cancel(), { once: true });
    });
  return {
    call(method, request, given) {
      const { path, requestSerialize, responseDeserialize } = methods[method]!;
      const read = (bytes: Buffer) => responseDeserialize(bytes) as Record<string, unknown>;
      return send(path, requestSerialize(request), read, given);
    },
    callRaw: (method, bytes) => send(methods[method]!.path, bytes, (answer) => answer),
    async *watchHealth() {
      const { path, requestSerialize, responseDeserialize } = methods.Watch!;
      const read = (bytes: Buffer) => responseDeserialize(bytes) as { readonly status: string };
      const stream = channel.makeServerStreamRequest(path, (value: Buffer) => value, read, requestSerialize({}));
      for await (const { status } of stream as AsyncIterable<{ readonly status: string }>) yield status;
    },
    [Symbol.asyncDispose]: () => {
      channel.close();
      return Promise.resolve();
    },
  };
}
