import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addKey, openStore } from '../../src/app/index.js';
import { distinctPlaces, parseReference } from '../../src/core/index.js';
import { importOci } from '../../src/registry/index.js';
import { openMemoryStore } from '../../src/stores/index.js';
import { FIXTURES, modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;
const keys: Record<string, string> = {};
const BACKUP = () => `file://${join(home.root, 'backup')}`;

beforeAll(async () => {
  home = modelHome();
  await home.publish('sentiment/v2', 'sentiment');
  await home.publish('sentiment/v3-head', 'sentiment');
  await home.publish('sentiment/v1', 'secret');
  const authKeys = join(home.root, 'keys.json');
  for (const name of ['infer', 'read', 'publish', 'admin'] as const)
    keys[name] = (await addKey(authKeys, { name, scopes: [name] })).key;
  keys['one'] = (await addKey(authKeys, { name: 'one', scopes: ['infer', 'read'], models: ['sentiment'] })).key;
  server = await startServer(home, { authKeys, otherStores: `backup=${BACKUP()}` });
}, 60_000);

afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

interface Answered {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function call(who: string, method: string, path: string, body?: unknown): Promise<Answered> {
  const isBytes = body instanceof Uint8Array;
  const response = await fetch(`${server.running.url}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${keys[who]}`,
      ...(body === undefined ? {} : { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' }),
    },
    ...(body === undefined ? {} : { body: isBytes ? Uint8Array.from(body) : JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const exported = async (ref: string): Promise<Response> =>
  fetch(`${server.running.url}/api/v1/versions/${ref}/oci`, { headers: { authorization: `Bearer ${keys['read']}` } });

describe('diff', () => {
  it('names the tensors that differ, and the answers for who may ask both versions', async () => {
    const { status, body } = await call('read', 'POST', '/versions/sentiment:1/diff', { with: 'sentiment:2' });
    expect(status).toBe(200);
    const { tensors } = body as { tensors: { equal: number; changed: { name: string }[] } };
    expect(tensors.equal).toBe(39);
    expect(tensors.changed.map(({ name }) => name).toSorted()).toEqual(['classifier.bias', 'classifier.weight']);
    const lines = readFileSync(join(FIXTURES, 'sentiment/eval.jsonl'), 'utf8').trim().split('\n').slice(0, 20);
    const examples = lines.map((line) => JSON.parse(line) as object);
    const asked = { with: 'sentiment:2', examples };
    expect((await call('read', 'POST', '/versions/sentiment:1/diff', asked)).status).toBe(403);
    const told = await call('one', 'POST', '/versions/sentiment:1/diff', asked);
    expect(told.body['answers']).toMatchObject({ examples: 20, changed: expect.any(Array) });
  });

  it.each([
    ['a version that the credentials do not allow', 'one', { with: 'secret:1' }, 'FORBIDDEN'],
    ['a version that is not there', 'read', { with: 'sentiment:9' }, 'VERSION_NOT_FOUND'],
    ['no second version', 'read', {}, 'INVALID_INPUT'],
    ['examples of no task', 'admin', { with: 'sentiment:2', examples: [{ x: 1 }] }, 'INVALID_INPUT'],
  ])('refuses %s', async (_, who, body, code) => {
    expect((await call(who, 'POST', '/versions/sentiment:1/diff', body)).body['code']).toBe(code);
  });
});

describe('copy and repair', () => {
  it('copies into a store that the operator named, and no other', async () => {
    const asked = { to: 'backup', withAliases: true, withHistory: true };
    expect((await call('publish', 'POST', '/versions/sentiment/copy', asked)).status).toBe(403);
    const { status, body } = await call('admin', 'POST', '/versions/sentiment/copy', asked);
    expect(status).toBe(200);
    expect(body['versions']).toMatchObject([{ created: true }, { created: true, reusedBytes: expect.any(Number) }]);
    for (const to of [BACKUP(), 'nowhere', '__proto__', '']) {
      expect((await call('admin', 'POST', '/versions/sentiment/copy', { to })).body['code']).toBe('INVALID_INPUT');
    }
    await using backup = await openStore(BACKUP());
    expect((await backup.listVersions()).map(({ model, version }) => `${model}:${version}`)).toEqual([
      'sentiment:1',
      'sentiment:2',
    ]);
  });

  it('mends a damaged byte from the other store, and the history tells it', async () => {
    await call('admin', 'POST', '/versions/sentiment/copy', { to: 'backup' });
    await using store = await openStore(home.url);
    const record = await store.resolve(parseReference('sentiment:2'));
    const [place] = distinctPlaces(await store.readManifest(record)).toSorted((a, b) => b.size - a.size);
    const path = (place === undefined ? undefined : await store.segmentFile?.(place)) ?? '';
    const bytes = readFileSync(path);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const found = await call('admin', 'POST', '/verify', { ref: 'sentiment:2', deep: true });
    expect(found.body).toMatchObject({ problems: 1, findings: [{ kind: 'damaged', segment: place?.digest }] });
    const asked = { ref: 'sentiment:2', deep: true, repair: true, from: 'backup' };
    expect((await call('read', 'POST', '/verify', asked)).status).toBe(403);
    expect((await call('admin', 'POST', '/verify', { ...asked, from: 'x' })).body['code']).toBe('INVALID_INPUT');
    const mended = await call('admin', 'POST', '/verify', asked);
    expect(mended.body).toMatchObject({ problems: 0, findings: [{ kind: 'damaged', repaired: true }] });
    expect((await call('admin', 'POST', '/verify', { deep: true })).body).toMatchObject({ problems: 0 });
    const told = (await store.listEvents({ model: 'sentiment' })).filter(({ kind }) => kind === 'verified');
    expect(told).toMatchObject([
      { version: 2, problems: 0, repaired: 1, by: 'admin' },
      { version: 2, problems: 1, repaired: 0 },
    ]);
  });
});

describe('OCI layouts', () => {
  it('go out as a tar, always the same, and come back byte for byte', async () => {
    const response = await exported('sentiment:2');
    expect(response.status).toBe(200);
    const tar = Buffer.from(await response.arrayBuffer());
    const again = Buffer.from(await (await exported('sentiment:2')).arrayBuffer());
    expect(createHash('sha256').update(again).digest()).toEqual(createHash('sha256').update(tar).digest());
    const { body } = await call('publish', 'POST', '/models/carried/oci', tar);
    await using store = await openStore(home.url);
    const original = await store.resolve(parseReference('sentiment:2'));
    expect(body).toMatchObject({
      created: true,
      sentBytes: 0,
      record: { model: 'carried', version: 1, digest: original.digest, publishedBy: 'publish' },
    });
    const file = join(home.root, 'layout.tar');
    writeFileSync(file, tar);
    expect((await importOci(await openMemoryStore(), file)).record.digest).toBe(original.digest);
  });

  it.each([
    ['bytes that are no tar', (tar: Buffer) => Buffer.alloc(4_096, tar.subarray(600, 700)), 'INVALID_ARTIFACT'],
    ['a tar that was cut off', (tar: Buffer) => tar.subarray(0, tar.length / 2), 'INVALID_ARTIFACT'],
    ['no bytes', () => Buffer.alloc(0), 'INVALID_ARTIFACT'],
    ['an altered document', (tar: Buffer) => altered(tar), 'DIGEST_MISMATCH'],
  ])('are refused as %s, and nothing is left', async (_, damage, code) => {
    const tar = Buffer.from(await (await exported('sentiment:2')).arrayBuffer());
    const { body } = await call('publish', 'POST', '/models/broken/oci', damage(tar));
    expect(body['code']).toBe(code);
    await using store = await openStore(home.url);
    expect(await store.listVersions({ model: 'broken' })).toEqual([]);
    const left = readdirSync(join(home.root, 'cache', 'uploads'));
    expect(left.filter((name) => name.startsWith('.tar-'))).toEqual([]);
  });

  it('need the scopes of their neighbours', async () => {
    expect((await call('infer', 'GET', '/versions/sentiment:2/oci')).status).toBe(403);
    expect((await call('one', 'GET', '/versions/secret:1/oci')).status).toBe(403);
    expect((await call('read', 'POST', '/models/broken/oci', Buffer.alloc(1_024))).status).toBe(403);
    expect((await call('read', 'GET', '/versions/sentiment:9/oci')).status).toBe(404);
  });
});

/** With one letter of the image manifest turned. What the store has already is not read from a tar. */
function altered(tar: Buffer): Buffer {
  const bytes = Buffer.from(tar);
  const at = bytes.indexOf('io.modelkeep.record');
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}
