import { EventEmitter } from 'node:events';
import { fileURLToPath } from 'node:url';
import { status as Status } from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAccess } from '../../../src/access/index.js';
import { ERROR_CODES, ModelkeepError, type ErrorCode } from '../../../src/core/index.js';
import { GRPC_STATUS, GrpcServer, type GrpcServerOptions } from '../../../src/protocols/index.js';
import { grpcClient, type GrpcClient } from './grpc-client.js';

const EXPECTED: Readonly<Record<ErrorCode, keyof typeof Status>> = {
  INVALID_REFERENCE: 'INVALID_ARGUMENT',
  MODEL_NOT_FOUND: 'NOT_FOUND',
  VERSION_NOT_FOUND: 'NOT_FOUND',
  ALIAS_NOT_FOUND: 'NOT_FOUND',
  ALIAS_CONFLICT: 'ABORTED',
  INVALID_ARTIFACT: 'FAILED_PRECONDITION',
  UNSUPPORTED_FORMAT: 'FAILED_PRECONDITION',
  UNSAFE_FORMAT: 'PERMISSION_DENIED',
  DIGEST_MISMATCH: 'DATA_LOSS',
  STORE_UNAVAILABLE: 'UNAVAILABLE',
  STORE_PERMISSION: 'INTERNAL',
  LOAD_FAILED: 'INTERNAL',
  GATE_FAILED: 'FAILED_PRECONDITION',
  RUNNER_CRASHED: 'UNAVAILABLE',
  OUT_OF_BUDGET: 'RESOURCE_EXHAUSTED',
  INVALID_INPUT: 'INVALID_ARGUMENT',
  OVERLOADED: 'RESOURCE_EXHAUSTED',
  DEADLINE_EXCEEDED: 'DEADLINE_EXCEEDED',
  CANCELLED: 'CANCELLED',
  UNAUTHENTICATED: 'UNAUTHENTICATED',
  FORBIDDEN: 'PERMISSION_DENIED',
  CLOSED: 'UNAVAILABLE',
  INTERNAL: 'INTERNAL',
};

const codes = Object.keys(ERROR_CODES) as ErrorCode[];
const errors = loadSync(fileURLToPath(new URL('../../../src/protocols/grpc/errors.proto', import.meta.url)), {
  keepCase: true,
  longs: Number,
});

function read(name: string, bytes: Buffer): Record<string, unknown> {
  const type = errors[`google.rpc.${name}`] as unknown as MessageTypeDefinition<object, Record<string, unknown>>;
  return type.deserialize(bytes);
}

let thrown: unknown;
const failures: string[] = [];
let server: GrpcServer;
let client: GrpcClient;

async function failing(): Promise<never> {
  throw thrown;
}

beforeAll(async () => {
  const service = Object.assign(new EventEmitter(), { describe: failing });
  server = new GrpcServer({
    service,
    version: '0',
    manages: true,
    maxBodyBytes: 1_000,
    maxHeaderBytes: 2_000,
    maxConnections: 10,
    receiveTimeoutMs: 10_000,
    onAnswered: () => undefined,
    graceMs: 1_000,
    access: await openAccess({}),
    onFailure: ({ code }: ModelkeepError) => void failures.push(code),
  } as unknown as GrpcServerOptions);
  client = grpcClient(`127.0.0.1:${await server.listen('127.0.0.1', 0)}`);
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await server.close();
});

test('the table has every code and no other', () => {
  expect(Object.fromEntries(Object.entries(GRPC_STATUS).map(([code, status]) => [code, Status[status]]))).toEqual(
    EXPECTED,
  );
  expect(Object.keys(GRPC_STATUS).toSorted()).toEqual(codes.toSorted());
});

test.each(codes)('%s has its status, its sentence and its code', async (code) => {
  thrown = new ModelkeepError(code, 'what went wrong: 10 % of “ä”');
  const { error } = await client.call('ModelMetadata', { name: 'm' });
  expect(Status[error?.code ?? 0]).toBe(EXPECTED[code]);
  expect(error?.details).toBe('what went wrong: 10 % of “ä”');
  const status = read('Status', error?.metadata.get('grpc-status-details-bin')[0] as Buffer);
  expect(status).toMatchObject({ code: error?.code, message: error?.details });
  const [info, retry] = status.details as { type_url: string; value: Buffer }[];
  expect(info?.type_url).toBe('type.googleapis.com/google.rpc.ErrorInfo');
  expect(read('ErrorInfo', info?.value ?? Buffer.alloc(0))).toMatchObject({ reason: code, domain: 'modelkeep' });
  const overloaded = code === 'OVERLOADED';
  expect(retry === undefined ? undefined : read('RetryInfo', retry.value)).toEqual(
    overloaded ? { retry_delay: { seconds: 1, nanos: 0 } } : undefined,
  );
  expect(error?.metadata.get('grpc-retry-pushback-ms')).toEqual(overloaded ? ['1000'] : []);
});

test('a queue says when to try again, to the millisecond', async () => {
  thrown = new ModelkeepError('OVERLOADED', 'full', { details: { retryAfterMs: 3_250 } });
  const { error } = await client.call('ModelMetadata', { name: 'm' });
  expect(error?.metadata.get('grpc-retry-pushback-ms')).toEqual(['3250']);
  const status = read('Status', error?.metadata.get('grpc-status-details-bin')[0] as Buffer);
  const [, retry] = status.details as { value: Buffer }[];
  expect(read('RetryInfo', retry?.value ?? Buffer.alloc(0))).toEqual({
    retry_delay: { seconds: 3, nanos: 250_000_000 },
  });
});

test('what is no error of the house is INTERNAL, and the log hears of it', async () => {
  failures.length = 0;
  thrown = new TypeError('x is not a function');
  expect((await client.call('ModelMetadata', { name: 'm' })).error?.code).toBe(Status.INTERNAL);
  expect(failures).toEqual(['INTERNAL']);
});

test.each([
  ['half of a character pair', 'before \ud800 after', 'before \ufffd after'],
  ['more than a header holds', 'ä'.repeat(100_000), `${'ä'.repeat(700)}…`],
])('a sentence with %s arrives', async (_what, message, told) => {
  thrown = new ModelkeepError('INVALID_INPUT', message);
  const { error } = await client.call('ModelMetadata', { name: 'm' });
  expect(error?.code).toBe(Status.INVALID_ARGUMENT);
  expect(error?.details).toBe(told);
});
