import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { MongoClient, ObjectId, type Document } from 'mongodb';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { manifestDigest, ModelkeepError, type VersionStore } from '../../src/core/index.js';
import { openMongoStore } from '../../src/stores/mongodb/open.js';
import { contentsOf, digestsOf, freshContents, freshModel, readBack } from '../../src/testing/index.js';
import { startMongo, USER, type MongoServer } from '../mongodb/start-mongo.js';

/** How an opening failed. */
async function failureOf(url: string): Promise<ModelkeepError> {
  try {
    await using store = await openMongoStore({ url });
    throw new Error(`${store.location} was opened`);
  } catch (error) {
    if (error instanceof ModelkeepError) return error;
    throw error;
  }
}

/** Everything that could be shown of an error, its causes included. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return [error.message, error.stack, JSON.stringify(error), textOf(error.cause)].join('\n');
}

describe('a server that fails in the middle', () => {
  let server: MongoServer;
  let client: MongoClient;
  let store: VersionStore;

  async function setFault(mode: Document | string, data: Document = {}): Promise<void> {
    await client.db('admin').command({ configureFailPoint: 'failCommand', mode, data });
  }

  beforeAll(async () => {
    server = await startMongo({ testCommands: true });
    client = await MongoClient.connect(server.uri('faults'));
    store = await openMongoStore({ url: server.uri('faults') });
  }, 120_000);
  afterEach(() => setFault('off'));
  afterAll(async () => {
    await store.close();
    await client.close();
    await server.stop();
  });

  it.each([
    ['insert', { closeConnection: true }],
    ['insert', { errorCode: 14_031 }],
    ['insert', { errorCode: 10_107 }],
    ['update', { closeConnection: true }],
    ['update', { errorCode: 14_031 }],
    ['findAndModify', { closeConnection: true }],
    ['find', { closeConnection: true }],
  ])('says STORE_UNAVAILABLE when each %s ends with %j, and the repeat succeeds', async (command, how) => {
    const made = contentsOf({ 'a.bin': randomBytes(600_000), 'b.bin': randomBytes(300_000) });
    const draft = { model: freshModel(), manifest: made.manifest };
    await setFault('alwaysOn', { failCommands: [command], ...how });
    await expect(store.publish(draft, made.source)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await setFault('off');
    expect(await store.listVersions({ model: draft.model })).toEqual([]);
    const { record, sentBytes, reusedBytes } = await store.publish(draft, made.source);
    expect(record.version).toBe(1);
    expect(sentBytes + reusedBytes).toBe(900_000);
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
  });

  it('publishes across one broken connection', async () => {
    const made = contentsOf({ 'a.bin': randomBytes(600_000) });
    await setFault({ times: 1 }, { failCommands: ['insert'], closeConnection: true });
    const { record } = await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
  });

  it('says STORE_UNAVAILABLE when a read breaks off, and reads again later', async () => {
    const made = contentsOf({ 'a.bin': randomBytes(600_000) });
    const { record } = await store.publish({ model: freshModel(), manifest: made.manifest }, made.source);
    await setFault('alwaysOn', { failCommands: ['find', 'getMore'], closeConnection: true });
    await expect(readBack(store, record)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await setFault('off');
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
  });

  it('makes a new version of older contents although a lease of theirs was never given back', async () => {
    const [older, newer] = [freshContents(), freshContents()];
    const model = freshModel();
    const first = await store.publish({ model, manifest: older.manifest }, older.source);
    const leases = client.db().collection('ModelLeases');
    await leases.insertOne({
      _id: { kind: 'publish', model_name: model, digest: manifestDigest(older.manifest) },
      file_id: new ObjectId(first.record.id),
      expires_at: new Date(Date.now() + 60_000),
    } as Document);
    await store.publish({ model, manifest: newer.manifest }, newer.source);
    const again = await store.publish({ model, manifest: older.manifest }, older.source);
    expect(again).toMatchObject({ created: true, sentBytes: 0, record: { version: 3 } });
    expect(again.record.id).not.toBe(first.record.id);
    expect(await leases.countDocuments({ '_id.model_name': model })).toBe(0);
  });

  it('refuses data of a layout of the future', async () => {
    const url = server.uri('future');
    await client
      .db('future')
      .collection('ModelLeases')
      .insertOne({ _id: { kind: 'format' }, format: 2 } as Document);
    expect(await failureOf(url)).toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
  });

  it('speaks of TLS when TLS is asked of a plain server', async () => {
    const error = await failureOf(`${server.uri('faults')}&tls=true&serverSelectionTimeoutMS=1000`);
    expect(error.code).toBe('STORE_UNAVAILABLE');
    expect(error.message).toContain('TLS');
  });
});

/** A port on which nothing listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe.concurrent('a server that is not there', () => {
  const listening: Server[] = [];
  const sockets = new Set<Socket>();
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all(listening.map((server) => new Promise((done) => server.close(done))));
  });

  async function listen(): Promise<number> {
    // Takes connections and never says a word.
    const server = createServer((socket) => void sockets.add(socket.on('error', () => socket.destroy())));
    listening.push(server.listen(0, '127.0.0.1'));
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  it('says STORE_UNAVAILABLE within 6 s when nothing listens', async () => {
    const port = await freePort();
    const before = performance.now();
    expect(await failureOf(`mongodb://127.0.0.1:${port}/models`)).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(performance.now() - before).toBeLessThan(6_000);
  });

  it('says STORE_UNAVAILABLE within 6 s when what listens does not answer', async () => {
    const port = await listen();
    const before = performance.now();
    expect(await failureOf(`mongodb://127.0.0.1:${port}/models`)).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(performance.now() - before).toBeLessThan(6_000);
  });
});

describe('passwords', () => {
  let server: MongoServer;
  beforeAll(async () => {
    server = await startMongo({ auth: true });
  }, 120_000);
  afterAll(() => server.stop());

  it('opens with the right one, and does not name it in the location', async () => {
    await using store = await openMongoStore({ url: server.uri('secret') });
    expect(store.location).toBe(`mongodb://127.0.0.1:${server.port}/secret`);
    await store.ping();
    expect(await store.listVersions()).toEqual([]);
  });

  it.each([
    ['a wrong password', (port: number) => `mongodb://${USER.name}:s3same@127.0.0.1:${port}/secret?authSource=admin`],
    ['an unknown user', (port: number) => `mongodb://nobody:s3same@127.0.0.1:${port}/secret?authSource=admin`],
    ['nobody', (port: number) => `mongodb://127.0.0.1:${port}/secret`],
  ])('says STORE_PERMISSION for %s, and never the password', async (_, urlOf) => {
    const error = await failureOf(urlOf(server.port));
    expect(error.code).toBe('STORE_PERMISSION');
    expect(textOf(error)).not.toContain('s3same');
  });

  it.each([
    ['mongodb://keeper:s3same@s3same/x@127.0.0.1/secret', 'INVALID_INPUT'],
    ['mongodb://keeper:s3same/x@127.0.0.1/secret', 'INVALID_INPUT'],
    ['mongodb://keeper:s3same?x@127.0.0.1/secret', 'INVALID_INPUT'],
    ['mongodb://keeper:s3same%@127.0.0.1/secret', 'INVALID_INPUT'],
    ['mongodb://keeper:s3same@127.0.0.1', 'INVALID_INPUT'],
    ['mongodb://keeper:s3same@127.0.0.1/secret?noSuchOption=1', 'INVALID_INPUT'],
    ['mongodb://keeper:s3same@127.0.0.1:99999/secret', 'INVALID_INPUT'],
    ['mongodb://keeper:s3same@127.0.0.1:1/secret?serverSelectionTimeoutMS=300', 'STORE_UNAVAILABLE'],
  ])('never shows the one in %s', { timeout: 3_000 }, async (url, code) => {
    const error = await failureOf(url);
    expect(textOf(error)).not.toContain('s3same');
    expect(error.code).toBe(code);
  });
});
