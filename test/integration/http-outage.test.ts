import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openStore, push } from '../../src/app/index.js';
import { startMongo, type MongoServer } from '../mongodb/start-mongo.js';
import { grpcClient } from '../unit/protocols/grpc-client.js';
import { FIXTURES, startServer, type TestServer } from './http-harness.js';

let root: string;
let mongo: MongoServer;
let server: TestServer;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'modelkeep-http-outage-'));
  mongo = await startMongo({ storagePath: join(root, 'data') });
  const url = mongo.uri('outage');
  {
    await using store = await openStore(url);
    await push(store, join(FIXTURES, 'sentiment/v1'), { name: 'sentiment' });
  }
  server = await startServer({ root, url }, { preload: ['sentiment'] });
}, 120_000);

afterAll(async () => {
  await server.close();
  await mongo.stop();
  await rm(root, { recursive: true, force: true });
});

/** What a server tells while the store answers, or does not. */
const as = (reachable: boolean) => ({
  metrics: reachable ? '1' : '0',
  status: { store: { reachable } },
  ready: { ready: true, store: { reachable } },
});

test('metrics, status and health tell that the store is away, and what is resident is served on', async () => {
  const told = async () => ({
    metrics: /^modelkeep_store_reachable (\d)$/m.exec((await server.get('/metrics')).body as string)?.[1],
    status: (await server.get('/status')).body,
    ready: (await server.get('/v2/health/ready')).body,
  });
  expect(await told()).toMatchObject(as(true));
  await mongo.stop();
  await vi.waitFor(async () => expect(await told()).toMatchObject(as(false)), { timeout: 15_000 });
  expect((await server.post('/models/sentiment', { inputs: 'fine' })).status).toBe(200);
  const cold = await server.post('/models/sentiment:7', { inputs: 'fine' });
  expect(cold).toMatchObject({ status: 503, body: { code: 'STORE_UNAVAILABLE' } });
  await using client = grpcClient(server.running.grpc ?? '');
  expect((await client.call('ModelReady', { name: 'sentiment' })).value).toEqual({ ready: true });
  await mongo.restart();
  await vi.waitFor(async () => expect(await told()).toMatchObject(as(true)), { timeout: 15_000 });
}, 60_000);
