import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { cliHome, fixture, type CliHome, type ErrorDocument, type JsonRan, type Running } from './cli-harness.js';

let home: CliHome;

beforeAll(async () => {
  home = cliHome();
  await home.run(['push', fixture('sentiment/v2'), '--name', 'sentiment']);
});

afterAll(() => home[Symbol.dispose]());

/** Starts `serve` on a free port; ends it with SIGKILL if the test has not ended it. */
async function startServe(
  args: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Promise<AsyncDisposable & { running: Running; url: string }> {
  const running = home.start(['serve', '--port', '0', '--log-level', 'warn', ...args], { environment });
  await running.says('stdout', '\n');
  const url = /http:\S+/.exec(running.said('stdout'))![0].replace(/".*$/, '');
  const dispose = async (): Promise<void> => {
    running.child.kill('SIGKILL');
    await running.ended;
  };
  return { running, url, [Symbol.asyncDispose]: dispose };
}

const ask = (url: string, model = 'sentiment') =>
  fetch(`${url}/models/${model}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs: 'Happy coding !!!' }),
  });

async function runnersOf(url: string): Promise<readonly { readonly pid: number; readonly inFlight: number }[]> {
  const status = (await (await fetch(`${url}/status`)).json()) as { runners: { pid: number; inFlight: number }[] };
  return status.runners;
}

test('says where it listens, and answers', async () => {
  await using server = await startServe(['--preload', 'sentiment']);
  expect(server.running.said('stdout')).toMatch(
    /^modelkeep \S+ serves file:\/\/\S+ on http:\/\/127\.0\.0\.1:\d+ and gRPC on 127\.0\.0\.1:\d+\n$/,
  );
  const response = await ask(server.url);
  expect(response.headers.get('x-modelkeep-version')).toBe('1');
  expect(await response.json()).toMatchObject([{ label: 'POSITIVE' }]);
});

test('tells an SDK of OpenTelemetry that was registered before it, below the span that this one made', async () => {
  const file = join(home.root, 'spans.jsonl');
  const register = pathToFileURL(resolve('test/e2e/register-tracing.mjs')).href;
  const environment = { NODE_OPTIONS: `--import ${register}`, SPANS: file };
  await using server = await startServe(['--preload', 'sentiment'], environment);
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const headers = { 'content-type': 'application/json', traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
  const body = JSON.stringify({ inputs: 'Happy coding !!!' });
  expect((await fetch(`${server.url}/models/sentiment`, { method: 'POST', headers, body })).status).toBe(200);
  const spans = await vi.waitFor(() => {
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    const found = lines.map((line) => JSON.parse(line) as { name: string; spanId: string; parent?: string });
    expect(found.map(({ name }) => name)).toContain('instrumented');
    return new Map(found.map((span) => [span.name, span]));
  });
  const parentOf = (name: string): string | undefined => spans.get(name)?.parent;
  const idOf = (name: string): string | undefined => spans.get(name)?.spanId;
  expect([...spans.values()].map((span) => ({ ...span, spanId: '', parent: '' }))).toEqual(
    [...spans.keys()].map((name) => ({ name, traceId, spanId: '', parent: '' })),
  );
  expect(parentOf('instrumented')).toBe('00f067aa0ba902b7');
  expect(parentOf('POST /models/*')).toBe(idOf('instrumented'));
  expect(parentOf('modelkeep.request')).toBe(idOf('POST /models/*'));
  expect(parentOf('modelkeep.run')).toBe(idOf('modelkeep.request'));
});

test('show --node and the metrics say in which precision and form each server answers', async () => {
  await home.run(['push', fixture('sentiment/v2'), '--name', 'formed']);
  const none = await home.run(['show', 'formed', '--node']);
  expect(none.stdout).toBe('No server says that it holds formed:1\n');
  // Compiled once it ran twice within a minute.
  const flags = ['--preload', 'formed', '--precision', 'int8', '--compile-after', '2'];
  await using server = await startServe(flags);
  const form = { state: 'ready', precision: 'int8', compiled: false };
  await vi.waitFor(async () => {
    const { value } = await home.json(['show', 'formed', '--node']);
    expect(value).toMatchObject({
      model: 'formed',
      version: 1,
      nodes: [{ pid: server.running.child.pid, ...form }],
    });
  }, 10_000);
  const metricOf = async (): Promise<string | undefined> => {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    return metrics.split('\n').find((line) => line.startsWith('modelkeep_resident_bytes{'));
  };
  expect(await metricOf()).toMatch(/\{version="formed:1",state="ready",precision="int8",form="plain"\} \d+$/);
  for (let run = 0; run < 2; run++) await ask(server.url, 'formed');
  await vi.waitFor(async () => {
    const { stdout } = await home.run(['show', 'formed', '--node']);
    expect(stdout).toMatch(
      /^HOST +PROCESS +STATE +SINCE \(UTC\) +PRECISION +FORM\n\S+ +\d+ +ready .+ int8 +compiled\n$/,
    );
  }, 20_000);
  expect(await metricOf()).toContain('precision="int8",form="compiled"');
  expect((await home.run(['show', 'formed'])).stdout).toMatch(/^held by .*ready, int8 compiled\)$/m);
});

test('with --json the ready line is one document', async () => {
  await using server = await startServe(['--json']);
  expect(JSON.parse(server.running.said('stdout'))).toEqual({
    url: server.url,
    grpc: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    store: home.storeUrl,
    pid: server.running.child.pid,
  });
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s ends it with 0 after answering what is in flight', async (signal) => {
  await using server = await startServe(['--preload', 'sentiment']);
  const [runner] = await runnersOf(server.url);
  process.kill(runner!.pid, 'SIGSTOP');
  const inFlight = ask(server.url);
  await vi.waitFor(async () => expect((await runnersOf(server.url))[0]!.inFlight).toBe(1), 5_000);
  server.running.child.kill(signal);
  await server.running.says('stderr', 'Stopping');
  process.kill(runner!.pid, 'SIGCONT');
  const response = await inFlight;
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject([{ label: 'POSITIVE' }]);
  expect(await server.running.ended).toMatchObject({ code: 0 });
  // The runner ended with it.
  await vi.waitFor(() => expect(() => process.kill(runner!.pid, 0)).toThrow('ESRCH'), 5_000);
});

test('a version that another process publishes answers without a restart', async () => {
  await using server = await startServe();
  expect((await ask(server.url)).headers.get('x-modelkeep-version')).toBe('1');
  await home.run(['push', fixture('sentiment/v3-head'), '--name', 'sentiment']);
  await vi.waitFor(async () => expect((await ask(server.url)).headers.get('x-modelkeep-version')).toBe('2'), 5_000);
});

test('a port that is taken is named', async () => {
  const other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  try {
    const { code, value } = (await home.json(['serve', '--port', String(port)])) as JsonRan<ErrorDocument>;
    expect(code).toBe(2);
    expect(value.error).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining(String(port)) });
  } finally {
    other.close();
    await once(other, 'close');
  }
});

test('a preloaded reference that is not there ends it', async () => {
  const { code, value } = (await home.json(['serve', '--port', '0', '--preload', 'nope'])) as JsonRan<ErrorDocument>;
  expect({ code, name: value.error.code }).toEqual({ code: 3, name: 'MODEL_NOT_FOUND' });
});
