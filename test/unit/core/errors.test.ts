import { readFile } from 'node:fs/promises';
import { status as Status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { EXIT_CODE } from '../../../src/cli/exit-code.js';
import {
  asModelkeepError,
  ERROR_CODES,
  errorFromJson,
  isErrorCode,
  ModelkeepError,
  throwIfAborted,
  type ErrorCode,
} from '../../../src/core/index.js';
import { GRPC_STATUS } from '../../../src/protocols/grpc/status.js';
import { HTTP_STATUS } from '../../../src/protocols/http/status.js';

const codes = Object.keys(ERROR_CODES) as ErrorCode[];
const page = await readFile(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')).trim(), section] as const),
);

describe('the page of errors', () => {
  it('has one section a code, in the order of the codes, and no other', () => {
    expect([...sections.keys()]).toEqual(codes);
  });

  it.each(codes)('says what %s means and what to do, with its statuses and exit code', (code) => {
    const section = sections.get(code) ?? '';
    expect(section).toContain(ERROR_CODES[code]);
    expect(/^- Usual causes: (.+)$/m.exec(section)?.[1]?.length).toBeGreaterThan(10);
    expect(/^- Next step: (.+)$/m.exec(section)?.[1]?.length).toBeGreaterThan(10);
    expect(/^- HTTP status: (\d+)$/m.exec(section)?.[1]).toBe(String(HTTP_STATUS[code]));
    expect(/^- gRPC status: (\w+)$/m.exec(section)?.[1]).toBe(Status[GRPC_STATUS[code]]);
    expect(/^- Exit code: (\d+)$/m.exec(section)?.[1]).toBe(String(EXIT_CODE[code]));
  });
});

describe('the tables of borders', () => {
  it.each(codes)('give %s an HTTP error status and an exit code that a shell can carry', (code) => {
    expect(HTTP_STATUS[code]).toBeGreaterThanOrEqual(400);
    expect(HTTP_STATUS[code]).toBeLessThan(600);
    expect(EXIT_CODE[code]).toBeGreaterThanOrEqual(1);
    expect(EXIT_CODE[code]).toBeLessThan(256);
  });
});

function thrown(signal: AbortSignal): unknown {
  try {
    return throwIfAborted(signal);
  } catch (error) {
    return error;
  }
}

describe('ModelkeepError', () => {
  it.each(codes)('crosses a border and comes back: %s', (code) => {
    const error = new ModelkeepError(code, `says ${code}`, { details: { path: 'a' }, cause: new Error('secret') });
    const json: unknown = JSON.parse(JSON.stringify(error));
    expect(json).toEqual({ code, message: `says ${code}`, details: { path: 'a' } });
    const back = errorFromJson(json as Record<string, unknown>);
    expect(back).toBeInstanceOf(ModelkeepError);
    expect(back.toJSON()).toEqual(json);
  });

  it('leaves empty details out of its JSON, and treats what is no error of ours as INTERNAL', () => {
    expect(new ModelkeepError('CLOSED', 'm').toJSON()).toEqual({ code: 'CLOSED', message: 'm' });
    expect(errorFromJson({ code: 'toString', message: 7, details: 'x' })).toMatchObject({
      code: 'INTERNAL',
      details: {},
    });
    expect(isErrorCode('hasOwnProperty')).toBe(false);
    expect(isErrorCode(7)).toBe(false);
  });

  it('turns aborts, timeouts and anything else into a code, with the original as cause', () => {
    const own = new ModelkeepError('OVERLOADED', 'm');
    expect(asModelkeepError(own)).toBe(own);
    const foreign = new RangeError('odd');
    expect(asModelkeepError(foreign)).toMatchObject({ code: 'INTERNAL', cause: foreign });
    expect(asModelkeepError(foreign, 'LOAD_FAILED').code).toBe('LOAD_FAILED');
    expect(asModelkeepError('a text')).toMatchObject({ code: 'INTERNAL', message: 'a text' });
  });

  it('throws for a fired signal only: CANCELLED, DEADLINE_EXCEEDED, or the reason that is ours already', async () => {
    expect(throwIfAborted(undefined)).toBeUndefined();
    expect(throwIfAborted(new AbortController().signal)).toBeUndefined();
    expect(thrown(AbortSignal.abort())).toMatchObject({ code: 'CANCELLED' });
    expect(thrown(AbortSignal.abort(new Error('mine')))).toMatchObject({ code: 'CANCELLED' });
    const closed = new ModelkeepError('CLOSED', 'm');
    expect(thrown(AbortSignal.abort(closed))).toBe(closed);
    const timeout = AbortSignal.timeout(1);
    await new Promise((resolve) => timeout.addEventListener('abort', resolve, { once: true }));
    expect(thrown(timeout)).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });
});
