import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Binary, Double, MongoClient, ObjectId, type Db } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { push, show } from '../../src/app/index.js';
import { digestOf, manifestDigest, parseReference, type VersionStore } from '../../src/core/index.js';
import { openMongoStore } from '../../src/stores/mongodb/open.js';
import { digestsOf, freshModel, readBack } from '../../src/testing/index.js';
import { READ_NEWEST, runPython } from '../mongodb/python.js';
import { startMongo, type MongoOptions, type MongoServer } from '../mongodb/start-mongo.js';

const FIXTURES = resolve('test/fixtures');
const V1 = join(FIXTURES, 'iris/mymodel_v1.joblib');
const V2 = join(FIXTURES, 'iris/mymodel_v2.joblib');
const SEED = join(FIXTURES, 'seed/seed_publish.py');
/** The database of the seed scripts. */
const DATABASE = 'test_database';

const CONFIGURATIONS: Readonly<Record<string, MongoOptions>> = {
  'replica set': {},
  standalone: { standalone: true },
};

function seed(server: MongoServer, model: string, file: string): Promise<string> {
  return runPython([SEED, server.uri(DATABASE), model, file]);
}

/** Stores a file and its document as the seed script does, without the price of a process. */
async function plant(db: Db, model: unknown, insertedTime: Date, bytes = Buffer.from([0x80, 4, 0x4e, 0x2e])) {
  const id = new ObjectId();
  await db.collection('fs.chunks').insertOne({ files_id: id, n: 0, data: new Binary(bytes) });
  await db.collection('fs.files').insertOne({
    _id: id,
    filename: model,
    length: bytes.length,
    chunkSize: 261_120,
    uploadDate: insertedTime,
  });
  await db.collection('ModelStatus').insertOne({ model_name: model, file_id: id, inserted_time: insertedTime });
  return id.toHexString();
}

describe.each(Object.entries(CONFIGURATIONS))('what plain scripts store, %s', (_, options) => {
  let server: MongoServer;
  let client: MongoClient;
  let store: VersionStore;
  const open = (): Promise<VersionStore> => openMongoStore({ url: server.uri(DATABASE), pollIntervalMs: 100 });

  beforeAll(async () => {
    server = await startMongo(options);
    client = await MongoClient.connect(server.uri(DATABASE));
    store = await open();
  }, 120_000);
  afterAll(async () => {
    await store.close();
    await client.close();
    await server.stop();
  });

  it('lists, resolves, shows and reads what the seed script published, and records its digest', async () => {
    const id = await seed(server, 'mymodel_v1', V1);
    const bytes = await readFile(V1);
    const reference = parseReference('mymodel_v1');
    const [listed] = await store.listVersions({ model: 'mymodel_v1' });
    expect(listed).toMatchObject({ id, model: 'mymodel_v1', version: 1, state: 'ready', size: bytes.length });
    expect(listed?.digest).toBeUndefined();
    expect(await store.resolve(reference)).toEqual(listed);
    const shown = await show(store, reference);
    expect(shown.manifest).toMatchObject({ schema: 1, format: 'joblib', files: [{ path: 'mymodel_v1.joblib' }] });
    expect(shown.record).toMatchObject({ id, format: 'joblib', digest: manifestDigest(shown.manifest) });
    const recorded = await client
      .db()
      .collection('ModelStatus')
      .findOne({ file_id: new ObjectId(id) });
    expect(recorded?.['digest']).toBe(manifestDigest(shown.manifest));
    expect(await readBack(store, shown.record)).toEqual(digestsOf({ 'mymodel_v1.joblib': bytes }));
    const byDigest = await store.resolve(parseReference(`mymodel_v1@${manifestDigest(shown.manifest)}`));
    expect(byDigest).toEqual(shown.record);
  });

  it('numbers by inserted_time, whatever the order of the documents', async () => {
    const model = freshModel();
    const db = client.db();
    const third = await plant(db, model, new Date(3_000));
    const first = await plant(db, model, new Date(1_000));
    const second = await plant(db, model, new Date(2_000));
    const records = await store.listVersions({ model });
    expect(records.map(({ id, version }) => [id, version])).toEqual([
      [first, 1],
      [second, 2],
      [third, 3],
    ]);
  });

  it('gives each document exactly one number when three handles adopt at once', async () => {
    const model = freshModel();
    const planted: string[] = [];
    for (let at = 1; at <= 12; at += 1) planted.push(await plant(client.db(), model, new Date(1_000 * at)));
    const handles = await Promise.all([open(), open(), open()]);
    try {
      const seen = await Promise.all(handles.map((handle) => handle.listVersions({ model })));
      const last = await store.listVersions({ model });
      expect(last.map(({ version, id }) => [version, id])).toEqual(planted.map((id, at) => [at + 1, id]));
      // What a handle saw while others were at work was never taken back.
      for (const records of seen) expect(last).toEqual(expect.arrayContaining([...records]));
    } finally {
      await Promise.all(handles.map((handle) => handle.close()));
    }
  });

  it('passes over documents that no reference can name or that name no file, and lists the others', async () => {
    const db = client.db();
    const model = freshModel();
    const hostile = [
      '',
      '../../etc/passwd',
      'a b',
      'x'.repeat(10_000),
      '$where',
      null,
      42,
      new Double(1.5),
      { $gt: '' },
    ];
    const ids: string[] = [];
    for (const name of hostile) ids.push(await plant(db, name, new Date(1_000)));
    await db.collection('ModelStatus').insertMany([
      { model_name: model, inserted_time: new Date(1_000) },
      { model_name: model, file_id: 'not an id', inserted_time: new Date(1_000) },
      { model_name: model, file_id: null, inserted_time: 'yesterday' },
    ]);
    const good = await plant(db, model, new Date(2_000));
    expect((await store.listVersions({ model })).map(({ id, version }) => [id, version])).toEqual([[good, 1]]);
    const all = await store.listVersions();
    expect(all.map(({ id }) => id)).toEqual(expect.arrayContaining([good]));
    expect(all.filter(({ id }) => ids.includes(id))).toEqual([]);
    const reference = parseReference(model);
    expect(await store.resolve(reference)).toMatchObject({ id: good });
    // What cannot be adopted is no news for ever.
    expect(await store.isCurrent(reference, 1)).toBe(true);
    await expect(store.resolve(parseReference('no-such-model'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('tells a running watch of a second publish by script, and isCurrent turns false before it is adopted', async () => {
    const model = 'iris-watched';
    await seed(server, model, V1);
    const reference = parseReference(model);
    const first = await store.resolve(reference);
    const onChange = vi.fn<(changed: string) => void>();
    const watch = await store.watch({ models: () => [model], onChange });
    try {
      // A poll tells of each model at its first look; a change stream has nothing to tell yet.
      if (store.capabilities.changes === 'poll') await vi.waitUntil(() => onChange.mock.calls.length > 0);
      onChange.mockClear();
      expect(await store.isCurrent(reference, first.version)).toBe(true);
      const id = await seed(server, model, V2);
      expect(await store.isCurrent(reference, first.version)).toBe(false);
      const document = await client
        .db()
        .collection('ModelStatus')
        .findOne({ file_id: new ObjectId(id) });
      expect(document).not.toHaveProperty('state');
      await vi.waitFor(() => expect(onChange).toHaveBeenCalledWith(model), { timeout: 5_000 });
      const second = await store.resolve(reference);
      expect(second).toMatchObject({ id, version: 2 });
      expect(await store.isCurrent(reference, 2)).toBe(true);
    } finally {
      await watch.close();
    }
  });

  it('publishes a single file so that a plain script reads it back byte for byte', async () => {
    const model = 'mymodel_v2';
    const bytes = await readFile(V2);
    const { record } = await push(store, V2, { name: model });
    expect(record).toMatchObject({ version: 1, format: 'joblib', size: bytes.length });
    const [id, sha256] = (await runPython(['-c', READ_NEWEST, server.uri(DATABASE), model])).split(' ');
    expect(id).toBe(record.id);
    expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(await readBack(store, record)).toEqual({ 'mymodel_v2.joblib': digestOf(bytes) });
    const newer = await push(store, V1, { name: model });
    expect(newer.record.version).toBe(2);
    expect((await runPython(['-c', READ_NEWEST, server.uri(DATABASE), model])).split(' ')[0]).toBe(newer.record.id);
  });
});
