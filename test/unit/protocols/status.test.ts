import { openAccess } from '../../../src/access/index.js';
import { EventEmitter } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { ERROR_CODES, ModelkeepError, type ErrorCode } from '../../../src/core/index.js';
import { createHttpServer, HTTP_STATUS, type HttpServerOptions } from '../../../src/protocols/index.js';

const EXPECTED: Readonly<Record<ErrorCode, number>> = {
  INVALID_REFERENCE: 400,
  MODEL_NOT_FOUND: 404,
  VERSION_NOT_FOUND: 404,
  ALIAS_NOT_FOUND: 404,
  ALIAS_CONFLICT: 409,
  INVALID_ARTIFACT: 422,
  UNSUPPORTED_FORMAT: 422,
  UNSAFE_FORMAT: 403,
  DIGEST_MISMATCH: 500,
  STORE_UNAVAILABLE: 503,
  STORE_PERMISSION: 500,
  LOAD_FAILED: 500,
  GATE_FAILED: 409,
  RUNNER_CRASHED: 503,
  OUT_OF_BUDGET: 507,
  INVALID_INPUT: 400,
  OVERLOADED: 429,
  DEADLINE_EXCEEDED: 504,
  CANCELLED: 499,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  CLOSED: 503,
  INTERNAL: 500,
};

const codes = Object.keys(ERROR_CODES) as ErrorCode[];
const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

/** A server whose service fails every request with `error`. */
async function failingServer(error: unknown) {
  const predict = async (): Promise<never> => {
    throw error;
  };
  const service = Object.assign(new EventEmitter(), { predict, refusal: () => undefined });
  const parts = { service, residency: new EventEmitter(), follower: new EventEmitter(), watchman: new EventEmitter() };
  const access = await openAccess({});
  const limits = {
    maxHeaderBytes: 8_192,
    maxConnections: 10,
    headersTimeoutMs: 1_000,
    receiveTimeoutMs: 1_000,
    corsOrigins: [],
  };
  const options = { ...parts, ...limits, access, version: '0', maxBodyBytes: 1_000 } as unknown as HttpServerOptions;
  const server = createHttpServer(options, ['inference', 'management']);
  opened.push(server);
  return server;
}

const request = { method: 'POST', url: '/models/m', payload: { inputs: 'x' } } as const;

const nested = (levels: number) => `{"inputs":${'['.repeat(levels)}${']'.repeat(levels)}}`;

test('the table has every code and no other', () => {
  expect(HTTP_STATUS).toEqual(EXPECTED);
  expect(Object.keys(HTTP_STATUS).toSorted()).toEqual(codes.toSorted());
});

test.each(codes)('%s has its status, its message and its facts', async (code) => {
  const server = await failingServer(new ModelkeepError(code, `what went wrong`, { details: { model: 'm' } }));
  const answer = await server.inject(request);
  expect(answer.statusCode).toBe(EXPECTED[code]);
  expect(answer.json()).toEqual({ error: 'what went wrong', code, details: { model: 'm' } });
  expect(answer.headers['retry-after']).toBe(code === 'OVERLOADED' ? '1' : undefined);
});

test('what is no error of the house is INTERNAL', async () => {
  const answer = await (await failingServer(new TypeError('x is not a function'))).inject(request);
  expect(answer.statusCode).toBe(500);
  expect(answer.json()).toMatchObject({ code: 'INTERNAL' });
});

test.each(['', '   ', '{', 'null', '"x"', '{"inputs":"x"} {}'])('the body %j is INVALID_INPUT', async (payload) => {
  const answer = await (await failingServer(new Error('never asked'))).inject({ ...request, payload });
  expect(answer.statusCode).toBe(400);
  expect(answer.json()).toMatchObject({ code: 'INVALID_INPUT' });
});

test('a body may be nested 64 deep and no deeper', async () => {
  const server = await failingServer(new ModelkeepError('CLOSED', 'reached'));
  expect((await server.inject({ ...request, payload: nested(63) })).json()).toMatchObject({ code: 'CLOSED' });
  expect((await server.inject({ ...request, payload: nested(64) })).json()).toMatchObject({ code: 'INVALID_INPUT' });
});
