import { randomBytes } from 'node:crypto';
import { Binary, MongoClient, ObjectId, type Collection } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Format, type VersionStore } from '../../src/core/index.js';
import { openMongoStore } from '../../src/stores/mongodb/open.js';
import { contentsOf, digestsOf, freshModel, readBack, sourceOf, type MadeContents } from '../../src/testing/index.js';
import { startMongo, type MongoServer } from '../mongodb/start-mongo.js';

interface Chunk {
  readonly files_id: string | ObjectId;
  readonly n: number;
  readonly data: Binary;
}

/** Bytes of three chunks, the last one short. */
const BYTES = 700_000;

let server: MongoServer;
let client: MongoClient;
let store: VersionStore;
let chunks: Collection<Chunk>;

beforeAll(async () => {
  server = await startMongo();
  client = await MongoClient.connect(server.uri('damage'));
  chunks = client.db().collection<Chunk>('fs.chunks');
  store = await openMongoStore({ url: server.uri('damage') });
}, 120_000);
afterAll(async () => {
  await store.close();
  await client.close();
  await server.stop();
});

async function rewrite(id: string | ObjectId, n: number, change: (bytes: Buffer) => Buffer): Promise<void> {
  const chunk = await chunks.findOne({ files_id: id, n });
  if (chunk === null) throw new Error(`There is no chunk ${n} of ${String(id)}`);
  await chunks.updateOne({ files_id: id, n }, { $set: { data: new Binary(change(Buffer.from(chunk.data.value()))) } });
}

function flip(bytes: Buffer, at: number): Buffer {
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes;
}

/** What can happen to the three chunks of a stored file. */
const DAMAGES: Readonly<Record<string, (id: string | ObjectId) => Promise<unknown>>> = {
  'the last chunk is missing': (id) => chunks.deleteOne({ files_id: id, n: 2 }),
  'a middle chunk is missing': (id) => chunks.deleteOne({ files_id: id, n: 1 }),
  'all chunks are missing': (id) => chunks.deleteMany({ files_id: id }),
  'a byte of the first chunk is altered': (id) => rewrite(id, 0, (bytes) => flip(bytes, 20_000)),
  'the last byte is altered': (id) => rewrite(id, 2, (bytes) => flip(bytes, bytes.length - 1)),
  'a chunk is truncated': (id) => rewrite(id, 1, (bytes) => bytes.subarray(0, -1)),
  'the last chunk is truncated': (id) => rewrite(id, 2, (bytes) => bytes.subarray(0, 1)),
  'a chunk is too long': (id) => rewrite(id, 1, (bytes) => Buffer.concat([bytes, Buffer.alloc(1)])),
};

function contents(format: Format): MadeContents {
  const path = format === 'hf' ? 'weights/model.bin' : 'model.joblib';
  return contentsOf({ [path]: randomBytes(BYTES) }, { format, segmentBytes: BYTES });
}

async function publish(made: MadeContents, model = freshModel(), force = false) {
  return store.publish({ model, manifest: made.manifest, force }, made.source);
}

function onlySegment({ manifest }: MadeContents) {
  const [file] = manifest.files;
  const [segment] = file?.segments ?? [];
  if (file === undefined || segment === undefined) throw new Error('The contents have no segment');
  return { path: file.path, segment: segment.digest };
}

describe.each(Object.entries(DAMAGES))('when %s', (_, damage) => {
  it('fails to read the segment, naming file and segment, until it is published again by force', async () => {
    const made = contents('hf');
    const { record } = await publish(made);
    const details = onlySegment(made);
    await damage(details.segment);
    await expect(readBack(store, record)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH', details });
    await publish(made, record.model, true);
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
  });

  it('fails to read a single file, naming it, and a forced publish makes a whole version of it', async () => {
    const made = contents('joblib');
    const { record } = await publish(made);
    await damage(new ObjectId(record.id));
    await expect(readBack(store, record)).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
      details: onlySegment(made),
    });
    const again = await publish(made, record.model, true);
    expect(again.record.version).toBe(2);
    expect(await readBack(store, again.record)).toEqual(digestsOf(made.files));
  });

  it('fails to read the manifest, naming the version', async () => {
    // Many places of one segment: a manifest of three chunks over few contents.
    const made = contentsOf({ 'zeros.bin': Buffer.alloc(BYTES) }, { segmentBytes: 100 });
    const { record } = await publish(made);
    await damage(new ObjectId(record.id));
    await expect(store.readManifest(record)).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
      details: { name: `file of ${record.model}:1` },
    });
  });
});

describe('what else is damaged', () => {
  it('takes no flipped bit of a manifest for a layout of the future or another format', async () => {
    for (const field of ['"schema":1', '"format":"hf']) {
      const { record } = await publish(contents('hf'));
      await rewrite(new ObjectId(record.id), 0, (bytes) => flip(bytes, bytes.indexOf(field) + field.length - 1));
      await expect(store.readManifest(record)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    }
  });

  it('notices a manifest in the metadata of a single file that was altered', async () => {
    const { record } = await publish(contents('joblib'));
    await client
      .db()
      .collection('fs.files')
      .updateOne({ _id: new ObjectId(record.id) }, { $set: { 'metadata.manifest': '{"schema":2}' } });
    await expect(store.readManifest(record)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });

  it('notices that the file of a version is gone', async () => {
    const { record } = await publish(contents('hf'));
    await client
      .db()
      .collection('fs.files')
      .deleteOne({ _id: new ObjectId(record.id) });
    await expect(store.readManifest(record)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });

  it('gives a segment that lost chunks back to all who share it when any version with it is published', async () => {
    const made = contents('hf');
    const { record } = await publish(made);
    await chunks.deleteOne({ files_id: onlySegment(made).segment, n: 1 });
    const other = await publish(made);
    expect(other.record.model).not.toBe(record.model);
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
  });
});

describe('a partial upload that holds other bytes', () => {
  it.each([
    ['fewer chunks than the segment has', 2],
    ['as many chunks', 3],
    ['more chunks', 5],
  ])('is noticed and replaced: %s', async (_, count) => {
    const made = contents('hf');
    const { segment } = onlySegment(made);
    const poison = Array.from({ length: count }, (__, n) => ({
      files_id: segment,
      n,
      data: new Binary(randomBytes(n === 2 ? BYTES - 2 * 261_120 : 261_120)),
    }));
    await chunks.insertMany(poison);
    const { record } = await publish(made);
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
    expect(await chunks.countDocuments({ files_id: segment })).toBe(3);
  });

  it('is noticed and replaced in a single file that is taken up again', async () => {
    const made = contents('joblib');
    const { path } = onlySegment(made);
    const model = freshModel();
    const whole = made.files[path] ?? Buffer.alloc(0);
    const draft = { model, manifest: made.manifest };
    await expect(store.publish(draft, sourceOf({ [path]: whole.subarray(0, 600_000) }))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    const lease = await client
      .db()
      .collection<{ file_id: ObjectId }>('ModelLeases')
      .findOne({ '_id.model_name': model });
    if (lease === null) throw new Error('The interrupted publish left no lease');
    await rewrite(lease.file_id, 0, (bytes) => flip(bytes, 100));
    const { record, sentBytes } = await store.publish(draft, made.source);
    expect(record.id).toBe(lease.file_id.toHexString());
    expect(sentBytes).toBe(BYTES);
    expect(await readBack(store, record)).toEqual(digestsOf(made.files));
  });
});
