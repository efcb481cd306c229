import { describe, expect, test, vi } from 'vitest';
import { ModelkeepClient, type ClientOptions } from '../../../src/client/index.js';

const ok = () => Response.json([{ label: 'A', score: 1 }], { headers: { 'x-modelkeep-version': '3' } });
const refused = (status: number, headers: Record<string, string> = {}) =>
  Response.json({ error: 'wait', code: status === 429 ? 'OVERLOADED' : 'CLOSED' }, { status, headers });

/** A client whose requests are answered by `answers`, one after the other. */
function clientOf(answers: readonly (() => Response | Promise<Response>)[], options: Partial<ClientOptions> = {}) {
  const calls: { url: string; init: RequestInit }[] = [];
  const send = vi.fn<typeof fetch>((url, init = {}) => {
    calls.push({ url: url as string, init });
    const answer = answers[Math.min(calls.length, answers.length) - 1] ?? ok;
    return Promise.resolve().then(answer);
  });
  return { client: new ModelkeepClient({ url: 'http://h/', fetch: send, ...options }), calls };
}

const headersOf = ({ init }: { init: RequestInit }) => init.headers as Record<string, string>;

const hanging: typeof fetch = (_url, init = {}) =>
  new Promise<Response>((_resolve, reject) =>
    init.signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError'))),
  );

describe('retries', () => {
  test.each([
    ['429', () => refused(429)],
    ['503', () => refused(503)],
    ['no answer', () => Promise.reject(new TypeError('fetch failed'))],
  ])('%s is tried again until it works', async (_what, answer) => {
    const { client, calls } = clientOf([answer, answer, ok]);
    expect((await client.predict('m', 'x')).version).toBe(3);
    expect(calls).toHaveLength(3);
  });

  test('end after as many as allowed, with the last error', async () => {
    const { client, calls } = clientOf([() => refused(429)], { retries: 1 });
    await expect(client.predict('m', 'x')).rejects.toMatchObject({ code: 'OVERLOADED', status: 429, message: 'wait' });
    expect(calls).toHaveLength(2);
  });

  test.each([400, 401, 403, 404, 500, 504])('%s is not tried again', async (status) => {
    const { client, calls } = clientOf([() => Response.json({ error: 'no', code: 'INTERNAL' }, { status })]);
    await expect(client.predict('m', 'x')).rejects.toMatchObject({ status });
    expect(calls).toHaveLength(1);
  });

  test('Retry-After is waited for', async () => {
    const { client } = clientOf([() => refused(429, { 'retry-after': '1' }), ok]);
    const started = performance.now();
    await client.predict('m', 'x');
    expect(performance.now() - started).toBeGreaterThanOrEqual(990);
  });

  test('a wait beyond the deadline is not begun', async () => {
    const { client, calls } = clientOf([() => refused(429, { 'retry-after': '60' })], { timeoutMs: 5_000 });
    await expect(client.predict('m', 'x')).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(calls).toHaveLength(1);
  });
});

describe('giving up', () => {
  test('at the deadline', async () => {
    const client = new ModelkeepClient({ url: 'http://h', fetch: hanging, timeoutMs: 20 });
    await expect(client.predict('m', 'x')).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  test('when the caller says so, also while it waits', async () => {
    const controller = new AbortController();
    const client = new ModelkeepClient({ url: 'http://h', fetch: hanging });
    const call = client.predict('m', 'x', { signal: controller.signal });
    controller.abort('enough');
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED', cause: 'enough' });
    const { client: waiting, calls } = clientOf([() => refused(429, { 'retry-after': '30' })]);
    const later = new AbortController();
    const second = waiting.predict('m', 'x', { signal: later.signal });
    await vi.waitFor(() => expect(calls).toHaveLength(1));
    later.abort();
    await expect(second).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(waiting.predict('m', 'x', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});

describe('what is sent', () => {
  test('the key of each attempt, the time that is left, and the body', async () => {
    let made = 0;
    const key = () => `mk_${(made += 1)}`;
    const { client, calls } = clientOf([() => refused(503), ok], { key, timeoutMs: 9_000 });
    await client.predict('team/a@production', 'x', { task: 'text-classification', parameters: { top_k: 2 } });
    expect(calls.map((call) => headersOf(call)['authorization'])).toEqual(['Bearer mk_1', 'Bearer mk_2']);
    const [first, second] = calls.map((call) => Number(headersOf(call)['x-modelkeep-timeout-ms']));
    expect(first).toBeLessThanOrEqual(9_000);
    expect(second).toBeLessThanOrEqual(first ?? 0);
    expect(calls[0]?.url).toBe('http://h/models/team/a%40production');
    expect(JSON.parse(calls[0]?.init.body as string)).toEqual({ inputs: 'x', parameters: { top_k: 2 } });
  });

  test('no limit, where there is none', async () => {
    const { client, calls } = clientOf([ok], { timeoutMs: 0 });
    await client.predict('m', 'x');
    expect(headersOf(calls[0] ?? { init: { headers: {} } })).not.toHaveProperty('x-modelkeep-timeout-ms');
  });

  test('no integer that JSON would change', async () => {
    const { client, calls } = clientOf([ok]);
    const tensor = { datatype: 'INT64', shape: [1], data: [2n ** 60n] };
    await expect(client.infer('m', { ids: tensor })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(calls).toHaveLength(0);
  });
});

test('what something between client and server answers is an error too', async () => {
  const { client } = clientOf([() => new Response('<html>Bad gateway', { status: 502 })]);
  await expect(client.models()).rejects.toMatchObject({ code: 'NETWORK', status: 502 });
});
