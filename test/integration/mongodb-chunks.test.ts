import { randomBytes } from 'node:crypto';
import { Binary, MongoClient } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { digestOf, type SegmentPlace } from '../../src/core/index.js';
import {
  bucketOf,
  CHUNK_BYTES,
  indexBucket,
  putSegment,
  readSegment,
  type Bucket,
} from '../../src/stores/mongodb/chunks.js';
import { startMongo, type MongoServer } from '../mongodb/start-mongo.js';

let server: MongoServer;
let client: MongoClient;
let bucket: Bucket;
const bytes = randomBytes(20 * CHUNK_BYTES + 7);
const place: SegmentPlace = { digest: digestOf(bytes), size: bytes.length, path: 'a.bin', offset: 0 };

async function* from(data: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += 100_003) yield data.subarray(at, at + 100_003);
}
async function all(start = 0): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of readSegment(bucket, place, { start })) parts.push(part);
  return Buffer.concat(parts);
}

beforeAll(async () => {
  server = await startMongo();
  client = new MongoClient(server.uri('chunks'));
}, 300_000);
afterAll(async () => {
  await client.close();
  await server.stop();
});
beforeEach(async () => {
  await client.db().dropDatabase();
  bucket = bucketOf(client.db(), 'fs', 'mongodb://127.0.0.1/chunks');
  await indexBucket(bucket);
});

test('gives back what was stored, whole and from a byte on', async () => {
  expect(await putSegment(bucket, place, from(bytes))).toBe(bytes.length);
  expect((await all()).equals(bytes)).toBe(true);
  expect((await all(CHUNK_BYTES + 5)).equals(bytes.subarray(CHUNK_BYTES + 5))).toBe(true);
  expect(await putSegment(bucket, place, from(bytes))).toBe(0);
});

test('sends only what an interrupted upload left missing', async () => {
  await putSegment(bucket, place, from(bytes));
  await bucket.files.deleteMany({});
  await bucket.chunks.deleteMany({ n: { $in: [3, 20] } });
  expect(await putSegment(bucket, place, from(bytes))).toBe(CHUNK_BYTES + 7);
  expect((await all()).equals(bytes)).toBe(true);
});

test('refuses a source with other bytes and leaves nothing of it', async () => {
  await expect(putSegment(bucket, place, from(randomBytes(bytes.length)))).rejects.toMatchObject({
    code: 'DIGEST_MISMATCH',
  });
  expect(await bucket.files.countDocuments()).toBe(0);
  expect(await bucket.chunks.countDocuments()).toBe(0);
});

test.each([0, 7, 20])('notices that chunk %i is missing', async (n) => {
  await putSegment(bucket, place, from(bytes));
  await bucket.chunks.deleteOne({ n });
  await expect(all()).rejects.toMatchObject({ code: 'DIGEST_MISMATCH', details: { path: 'a.bin' } });
});

test('says quickly that a server is gone', async () => {
  const lost = new MongoClient('mongodb://127.0.0.1:1/x', { serverSelectionTimeoutMS: 200 });
  await expect(indexBucket(bucketOf(lost.db(), 'fs', 'mongodb://127.0.0.1:1/x'))).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  });
  await lost.close();
});

test('notices an altered chunk of the right length', async () => {
  await putSegment(bucket, place, from(bytes));
  await bucket.chunks.updateOne({ n: 4 }, { $set: { data: new Binary(randomBytes(CHUNK_BYTES)) } });
  await expect(all()).rejects.toMatchObject({ code: 'DIGEST_MISMATCH', details: { digest: place.digest } });
});
