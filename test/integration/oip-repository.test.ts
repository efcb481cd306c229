import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { grpcClient, type GrpcClient } from '../unit/protocols/grpc-client.js';
import { modelHome, pauseRunner, startServer, untilBusy, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;
let client: GrpcClient;

beforeAll(async () => {
  home = modelHome();
  await home.publish('sentiment/v1', 'sentiment');
  await home.publish('sentiment/v2', 'sentiment');
  await home.publish('sentiment/v1', 'pinned');
  await home.setAlias('sentiment', 'old', 1);
  server = await startServer(home, { pin: ['pinned'] });
  client = grpcClient(server.running.grpc ?? '');
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await server.close();
  home[Symbol.dispose]();
});

interface Entry {
  readonly name: string;
  readonly version: string;
  readonly state: string;
  readonly reason: string;
}

const shown = (entries: readonly Entry[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    entries.map(({ name, version, state, reason }) => [`${name}:${version}`, `${state} ${reason}`.trim()]),
  );

/** What REST says, which is what gRPC says. */
async function index(ready?: boolean): Promise<Readonly<Record<string, string>>> {
  const { status, body } = await server.post('/v2/repository/index', ready === undefined ? '' : { ready });
  expect(status).toBe(200);
  const { value } = await client.call('RepositoryIndex', { ready: ready === true });
  expect(shown(value?.models as Entry[])).toEqual(shown(body as Entry[]));
  return shown(body as Entry[]);
}

const change = (path: string, action: 'load' | 'unload', body: unknown = '') =>
  server.post(`/v2/repository/models/${path}/${action}`, body);
const ask = (reference: string) => server.post(`/models/${reference}`, { inputs: 'fine' });
const isReady = async (path: string) => (await server.get(`/v2/models/${path}/ready`)).status === 200;

test('the index tells what is held and what could be', async () => {
  expect(await index()).toEqual({
    'pinned:1': 'READY',
    'sentiment:1': 'UNAVAILABLE not loaded',
    'sentiment:2': 'UNAVAILABLE not loaded',
  });
  expect(await index(true)).toEqual({ 'pinned:1': 'READY' });
});

test('load makes a version, an alias or the newest ready', async () => {
  expect((await change('sentiment/versions/old', 'load')).body).toEqual({
    name: 'sentiment@old',
    version: '1',
    load: true,
  });
  // A number means the same version, by whatever name it was loaded.
  expect(await isReady('sentiment/versions/1')).toBe(true);
  expect(await isReady('sentiment')).toBe(false);
  expect((await change('sentiment', 'load', {})).body).toMatchObject({ version: '2' });
  expect(await index(true)).toEqual({ 'pinned:1': 'READY', 'sentiment:1': 'READY', 'sentiment:2': 'READY' });
});

test('unload lets one version go, or all of a model; the next request brings it back', async () => {
  expect((await change('sentiment/versions/1', 'unload')).status).toBe(200);
  expect(await index()).toMatchObject({ 'sentiment:1': 'UNAVAILABLE unloaded', 'sentiment:2': 'READY' });
  expect((await ask('sentiment@old')).headers.get('x-modelkeep-version')).toBe('1');
  expect((await change('sentiment', 'unload', { parameters: { unload_dependents: true } })).status).toBe(200);
  expect(await index()).toMatchObject({
    'sentiment:1': 'UNAVAILABLE unloaded',
    'sentiment:2': 'UNAVAILABLE unloaded',
  });
  expect((await ask('sentiment')).headers.get('x-modelkeep-version')).toBe('2');
  expect(await index()).toMatchObject({ 'sentiment:2': 'READY' });
});

test('what was unloaded is followed no longer: a newer version does not bring it back', async () => {
  await ask('sentiment');
  await change('sentiment', 'unload');
  await home.publish('sentiment/v1', 'sentiment');
  // What is followed still is swapped, so the news has come.
  await home.publish('sentiment/v2', 'pinned');
  await vi.waitFor(async () => expect(await index()).toMatchObject({ 'pinned:2': 'READY' }), { timeout: 10_000 });
  expect(await index()).toMatchObject({ 'sentiment:3': 'UNAVAILABLE not loaded' });
  expect((await ask('sentiment')).headers.get('x-modelkeep-version')).toBe('3');
});

test('what is on its way in or out says so', async () => {
  await change('sentiment', 'unload');
  {
    using paused = pauseRunner(server);
    const loading = change('sentiment/versions/1', 'load');
    await vi.waitFor(async () => expect(await index()).toMatchObject({ 'sentiment:1': 'LOADING' }));
    expect(await isReady('sentiment/versions/1')).toBe(false);
    paused.resume();
    expect((await loading).status).toBe(200);
  }
  using paused = pauseRunner(server);
  const asked = ask('sentiment:1');
  await untilBusy(server, 1, 0);
  const unloading = change('sentiment/versions/1', 'unload');
  await vi.waitFor(async () => expect(await index()).toMatchObject({ 'sentiment:1': 'UNLOADING' }));
  paused.resume();
  expect((await asked).status).toBe(200);
  expect((await unloading).status).toBe(200);
  expect(await index()).toMatchObject({ 'sentiment:1': 'UNAVAILABLE unloaded' });
});

test('unloading again is no error, and a request in flight is answered first', async () => {
  await ask('sentiment:2');
  const answers = Promise.all(Array.from({ length: 8 }, () => ask('sentiment:2')));
  await change('sentiment/versions/2', 'unload');
  expect((await answers).map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
  await change('sentiment/versions/2', 'unload');
  expect((await change('sentiment/versions/2', 'unload')).status).toBe(200);
});

test.each([
  ['a pinned version', 'pinned', 'unload', '', 403, 'FORBIDDEN'],
  ['no such model', 'nope', 'unload', '', 404, 'MODEL_NOT_FOUND'],
  ['no such model', 'nope', 'load', '', 404, 'MODEL_NOT_FOUND'],
  ['no such version', 'sentiment/versions/99', 'load', '', 404, 'VERSION_NOT_FOUND'],
  ['another configuration', 'sentiment', 'load', { parameters: { config: '{}' } }, 400, 'INVALID_INPUT'],
  ['files', 'sentiment', 'load', { parameters: { 'file:1/model.onnx': 'AA==' } }, 400, 'INVALID_INPUT'],
  ['half a document', 'sentiment', 'load', '{', 400, 'INVALID_INPUT'],
  ['a malformed name', 'Sentiment', 'load', '', 400, 'INVALID_REFERENCE'],
] as const)('%s: %s/%s is refused', async (_what, path, action, body, status, code) => {
  const answer = await change(path, action, body);
  expect(answer.body).toMatchObject({ code });
  expect(answer.status).toBe(status);
});

test('a version that cannot be loaded says why', async () => {
  await using strict = await startServer(home, { cacheDir: `${home.root}/other`, memoryBudget: 1_000_000 });
  expect((await strict.post('/v2/repository/models/sentiment/load', '')).status).toBe(507);
  const entries = (await strict.post('/v2/repository/index', '')).body as Entry[];
  const failed = entries.find(({ name, version }) => name === 'sentiment' && version === '3');
  expect(failed).toMatchObject({ state: 'UNAVAILABLE', reason: expect.stringContaining('memory') });
  await using other = grpcClient(strict.running.grpc ?? '');
  const { value } = await other.call('RepositoryIndex', {});
  expect(value?.models).toContainEqual(failed);
});
