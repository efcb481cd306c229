import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newSigningKey, openStore, parseReference, push, readPrivateKey, sign } from '../../src/app/index.js';
import { digestOf } from '../../src/core/index.js';
import { FIXTURES, modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;

beforeAll(async () => {
  home = modelHome();
  await home.publish('sentiment/v2', 'team/sentiment');
  server = await startServer(home);
}, 60_000);

afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

const api = (path: string) => `${server.running.url}/api/v1${path}`;
const REF = encodeURIComponent('team/sentiment:1');

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const json = body === undefined ? {} : { body: JSON.stringify(body) };
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const response = await fetch(api(path), { method, headers: { ...type, ...headers }, ...json });
  const text = await response.text();
  return { status: response.status, text, body: JSON.parse(text) as Record<string, unknown> & unknown[] };
}

/** Cuts a directory into parts, as a client would. */
function partsOf(directory: string, bytes: number) {
  const blobs = new Map<string, Buffer>();
  const files = readdirSync(directory).map((path) => {
    const whole = readFileSync(join(directory, path));
    const parts = [];
    for (let at = 0; at < whole.length; at += bytes) {
      const part = whole.subarray(at, at + bytes);
      blobs.set(digestOf(part), part);
      parts.push({ digest: digestOf(part), size: part.length });
    }
    return { path, parts };
  });
  return { files, blobs, all: files.flatMap(({ parts }) => parts) };
}

async function send(digest: string, bytes: Buffer | undefined) {
  const headers = { 'content-type': 'application/octet-stream' };
  return fetch(api(`/parts/${digest}`), { method: 'PUT', headers, body: new Uint8Array(bytes ?? Buffer.alloc(0)) });
}

describe('publishing', () => {
  it('takes the parts that are missing, goes on after a break, and tells progress line by line', async () => {
    const { files, blobs, all } = partsOf(join(FIXTURES, 'sentiment/v3-head'), 400_000);
    const asked = await call('POST', '/parts/missing', { parts: all });
    const missing = asked.body.missing as string[];
    expect(missing.length).toBeGreaterThan(2);
    const [first = '', ...rest] = missing;
    expect((await send(first, blobs.get(first))).status).toBe(200);
    const early = await call('POST', '/models/uploaded/versions', { files });
    expect(early).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT', details: { missing: rest } } });
    // Another look, as after a break: what came is not asked for again.
    expect((await call('POST', '/parts/missing', { parts: all })).body.missing).toEqual(rest);
    for (const digest of rest) expect((await send(digest, blobs.get(digest))).status).toBe(200);
    const said = { files, message: 'by http', tags: ['up'], parent: 'team/sentiment:1', metadata: { epoch: 3 } };
    const lines = await fetch(api('/models/uploaded/versions'), {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/x-ndjson' },
      body: JSON.stringify(said),
    });
    const told = (await lines.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(told[0]).toHaveProperty('progress');
    expect(told.at(-1)).toMatchObject({
      result: { created: true, record: { model: 'uploaded', version: 1, parent: 'team/sentiment:1', tags: ['up'] } },
    });
    // What the store shares with the version before need not be sent.
    const other = await call('GET', `/versions/${encodeURIComponent('uploaded:1')}`);
    const stored = (other.body.manifest as { files: { path: string; segments: unknown[] }[] }).files;
    const again = stored.map(({ path, segments }) => ({ path, parts: segments }));
    expect((await call('POST', '/parts/missing', { parts: again.flatMap(({ parts }) => parts) })).body.missing).toEqual(
      [],
    );
    const same = await call('POST', '/models/copied/versions', { files: again });
    expect(same).toMatchObject({ status: 200, body: { record: { model: 'copied' }, sentBytes: 0 } });
  });

  it.each([
    ['a path that leaves its folder', [{ path: '../x', parts: [] }], 'INVALID_ARTIFACT'],
    ['no files', [], 'INVALID_INPUT'],
    [
      'two files of a path',
      [
        { path: 'a', parts: [] },
        { path: 'A', parts: [] },
      ],
      'INVALID_INPUT',
    ],
    ['a digest that is none', [{ path: 'a', parts: [{ digest: '../../etc', size: 1 }] }], 'INVALID_INPUT'],
    ['files that are no model', [{ path: 'a', parts: [] }], 'INVALID_ARTIFACT'],
  ])('refuses %s', async (_, files, code) => {
    expect((await call('POST', '/models/bad/versions', { files })).body.code).toBe(code);
    expect((await call('GET', '/versions?model=bad')).body).toEqual([]);
  });

  it('refuses parts that are not what their name says', async () => {
    const digest = digestOf('something else');
    expect((await send(digest, Buffer.from('bytes'))).status).toBe(400);
    expect((await send('sha256:short', Buffer.from('bytes'))).status).toBe(400);
    const { body } = await call('POST', '/parts/missing', { parts: [{ digest, size: 14 }] });
    expect(body.missing).toEqual([digest]);
  });
});

describe('versions', () => {
  it('are listed, searched, shown and downloaded', async () => {
    expect((await call('GET', '/models')).body).toContainEqual(
      expect.objectContaining({ model: 'team/sentiment', latest: 1 }),
    );
    const found = await call('GET', `/versions?where=${encodeURIComponent('model = team/sentiment and version = 1')}`);
    expect(found.body).toMatchObject([{ model: 'team/sentiment', version: 1 }]);
    expect((await call('GET', `/versions?where=${encodeURIComponent('metadata.$where = 1')}`)).status).toBe(400);
    expect((await call('GET', `/versions/${REF}`)).body).toMatchObject({
      record: { version: 1 },
      manifest: { schema: 1 },
    });
    const file = await fetch(api(`/versions/${REF}/files/model.safetensors`));
    const hash = createHash('sha256')
      .update(Buffer.from(await file.arrayBuffer()))
      .digest('hex');
    const wanted = readFileSync(join(FIXTURES, 'sentiment/v2/model.safetensors'));
    expect(hash).toBe(createHash('sha256').update(wanted).digest('hex'));
    expect((await call('GET', `/versions/${REF}/files/nothing`)).body.code).toBe('INVALID_INPUT');
    expect((await call('GET', `/versions/${encodeURIComponent('nobody:1')}`)).status).toBe(404);
  });

  it('are tagged, annotated, signed and archived; all of it is in the history', async () => {
    await home.publish('sentiment/v3-head', 'life');
    await home.publish('sentiment/v2', 'life');
    const ref = encodeURIComponent('life:1');
    const marks = { addTags: ['prod'], annotations: { owner: 'ann' }, message: 'why' };
    expect((await call('POST', `/versions/${ref}/annotations`, marks)).body).toMatchObject({ tags: ['prod'] });
    const key = newSigningKey();
    await using store = await openStore(home.url);
    const { record } = await sign(store, parseReference('life:1'), readPrivateKey(key.privateKey, 'key'));
    const [{ envelope }] = (await call('GET', `/versions/${ref}/signatures`)).body as unknown as [
      { envelope: unknown },
    ];
    expect((await call('DELETE', `/versions/${ref}/signatures/${key.keyId}`)).status).toBe(200);
    const wrong = await call('POST', `/versions/${encodeURIComponent('life:2')}/signatures`, { envelope });
    expect(wrong.body.code).toBe('INVALID_INPUT');
    const kept = await call('POST', `/versions/${ref}/signatures`, { envelope });
    expect(kept.body).toMatchObject({ keyId: key.keyId, record: { id: record.id } });
    expect((await call('PUT', `/versions/${ref}/state`, { state: 'archived' })).body).toMatchObject({
      state: 'archived',
    });
    expect((await call('PUT', `/versions/life/state`, { state: 'archived' })).body.code).toBe('INVALID_REFERENCE');
    const kinds = ((await call('GET', '/history/life')).body as unknown as { kind: string }[]).map(({ kind }) => kind);
    expect(kinds.slice(0, 5)).toEqual(['archived', 'signed', 'signature-removed', 'signed', 'annotated']);
  });
});

describe('aliases', () => {
  it('are promoted, rolled back and removed, with one winner of a race', async () => {
    await home.publish('sentiment/v2', 'moves');
    await home.publish('sentiment/v3-head', 'moves');
    const promote = (version: number, more: object = {}) =>
      call('POST', `/versions/${encodeURIComponent(`moves:${version}`)}/promote`, { to: 'live', ...more });
    expect((await promote(1, { expect: null })).body).toMatchObject({ version: 1 });
    const race = await Promise.all([promote(2, { expect: 1 }), promote(2, { expect: 1 }), promote(9)]);
    expect(race.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 404, 409]);
    const alias = encodeURIComponent('moves@live');
    expect((await call('POST', `/aliases/${alias}/rollback`, { message: 'bad' })).body).toMatchObject({ version: 1 });
    expect((await call('GET', '/aliases?model=moves')).body).toMatchObject([{ alias: 'live', version: 1 }]);
    expect((await call('PUT', `/aliases/${alias}/policy`, { protected: true })).status).toBe(200);
    expect((await call('DELETE', `/aliases/${alias}`)).body.code).toBe('INVALID_INPUT');
    expect((await call('DELETE', `/aliases/${alias}?message=over`)).status).toBe(200);
  });
});

describe('the store', () => {
  it('is verified and collected, with progress for those who read lines', async () => {
    expect((await call('POST', '/verify', { deep: true })).body).toMatchObject({ deep: true, problems: 0 });
    const lines = await call('POST', '/gc', {}, { accept: 'text/html' });
    expect(lines.body).toMatchObject({ dryRun: true });
    const streamed = await fetch(api('/verify'), {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/x-ndjson' },
      body: JSON.stringify({ ref: 'nobody:1' }),
    });
    expect(JSON.parse(await streamed.text())).toMatchObject({ error: { code: 'MODEL_NOT_FOUND' } });
  });

  it('takes no webhook to an address inside of the network, and shows no secret twice', async () => {
    const add = (url: string) => call('POST', '/webhooks', { url });
    for (const url of ['https://127.0.0.1/', 'https://169.254.169.254/', 'http://[::1]/']) {
      expect((await add(url)).body.code).toBe('INVALID_INPUT');
    }
    expect((await call('GET', '/webhooks')).body).toEqual([]);
  });
});

describe('promoting', () => {
  it('runs the gates of the alias, and leaves it where it is if one of them fails', { timeout: 60_000 }, async () => {
    const evaluation = join(FIXTURES, 'sentiment/eval.jsonl');
    await using store = await openStore(home.url);
    await push(store, join(FIXTURES, 'sentiment/v2'), { name: 'gated', evaluation });
    await push(store, join(FIXTURES, 'sentiment/v4-bad'), { name: 'gated', evaluation });
    const promoted = await call('POST', '/versions/gated:1/promote', { to: 'production' });
    expect(promoted.status).toBe(200);
    const refused = await call('POST', '/versions/gated:2/promote', { to: 'production' });
    expect(refused).toMatchObject({ status: 409, body: { code: 'GATE_FAILED' } });
    expect(await store.listAliases({ model: 'gated' })).toMatchObject([{ alias: 'production', version: 1 }]);
  });
});

describe('a page of another site', () => {
  it('can change nothing', async () => {
    const plain = { 'content-type': 'text/plain' };
    const body = JSON.stringify({ dryRun: false });
    const simple = await fetch(api('/gc'), { method: 'POST', headers: plain, body });
    expect(simple.status).toBe(400);
    const foreign = await call('POST', '/gc', { dryRun: false }, { 'sec-fetch-site': 'cross-site' });
    expect(foreign).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    // A name that was made to mean this machine; fetch would not let the test say it.
    const { hostname, port } = new URL(server.running.url);
    const asked = get({ hostname, port, path: '/api/v1/models', headers: { host: `evil.example:${port}` } });
    const [rebound] = (await once(asked, 'response')) as [IncomingMessage];
    rebound.resume();
    expect(rebound.statusCode).toBe(403);
  });
});

it('documents every route with its scope', async () => {
  const { body } = await server.get('/openapi.json');
  const paths = Object.keys((body as { paths: object }).paths).filter((path) => path.startsWith('/api/v1/'));
  expect(paths).toContain('/api/v1/versions/{ref}/promote');
  expect(paths.length).toBeGreaterThan(20);
});
