import { EventEmitter, once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { status as Status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openAccess } from '../../../src/access/index.js';
import type { CallReport } from '../../../src/protocols/grpc/observe.js';
import { GrpcServer, type GrpcServerOptions } from '../../../src/protocols/index.js';
import { grpcClient, type GrpcClient } from './grpc-client.js';

const HOST = '127.0.0.1';
let server: GrpcServer;
let client: GrpcClient;
let port: number;
let reports: CallReport[];

beforeEach(async () => {
  reports = [];
  server = new GrpcServer({
    service: new EventEmitter(),
    version: '0',
    manages: true,
    maxBodyBytes: 1_000,
    maxHeaderBytes: 2_000,
    maxConnections: 2,
    receiveTimeoutMs: 200,
    graceMs: 1_000,
    access: await openAccess({}),
    onAnswered: (report: CallReport) => void reports.push(report),
    onFailure: () => undefined,
  } as unknown as GrpcServerOptions);
  port = await server.listen(HOST, 0);
  client = grpcClient(`${HOST}:${port}`);
});

afterEach(async () => {
  await client[Symbol.asyncDispose]();
  await server.close();
});

test('a call is told with its id, path and status', async () => {
  await client.call('ServerLive', {}, { metadata: { 'x-request-id': 'order-17' } });
  expect(reports).toEqual([
    { requestId: 'order-17', path: '/inference.GRPCInferenceService/ServerLive', status: 'OK', ms: expect.any(Number) },
  ]);
});

test('an id that could forge lines of a log is replaced', async () => {
  await client.call('ServerLive', {}, { metadata: { 'x-request-id': 'a b"c' } });
  expect(reports[0]?.requestId).toMatch(/^[0-9a-f-]{36}$/);
});

test('a message that does not arrive in time ends its call', async () => {
  const session = connectHttp2(`http://${HOST}:${port}`);
  session.on('error', () => undefined);
  const path = '/inference.GRPCInferenceService/ModelInfer';
  const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request(headers);
  stream.on('error', () => undefined);
  const [answered] = (await once(stream, 'response')) as [Record<string, unknown>];
  expect(answered['grpc-status']).toBe(String(Status.DEADLINE_EXCEEDED));
  expect(reports).toMatchObject([{ path, status: 'DEADLINE_EXCEEDED' }]);
  session.destroy();
});

test('a connection over the limit is closed, the others are answered', async () => {
  await client.call('ServerLive', {});
  const second = connect(port, HOST);
  await once(second, 'connect');
  const third = connect(port, HOST);
  third.on('error', () => undefined);
  third.resume();
  await once(third, 'close');
  expect((await client.call('ServerLive', {})).value).toEqual({ live: true });
  second.destroy();
  await vi.waitFor(() => expect(second.destroyed).toBe(true));
});

test('metadata over the limit is refused and told, what is below it is answered', async () => {
  const large = { 'x-large': 'a'.repeat(2_000) };
  const { error } = await client.call('ServerLive', {}, { metadata: large });
  expect(error?.details).toContain('maxHeaderBytes');
  expect(error?.code).toBe(Status.RESOURCE_EXHAUSTED);
  expect(reports).toMatchObject([{ status: 'RESOURCE_EXHAUSTED' }]);
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`x-many-${at}`, 'a'.repeat(20)]));
  expect((await client.call('ServerLive', {}, { metadata: many })).error?.code).toBe(Status.RESOURCE_EXHAUSTED);
  const small = { 'x-small': 'a'.repeat(1_500) };
  expect((await client.call('ServerLive', {}, { metadata: small })).value).toEqual({ live: true });
});
