import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { create, Header, type HeaderData } from 'tar';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addKey, openStore } from '../../src/app/index.js';
import { FIXTURES, modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let server: TestServer;
const keys: Record<string, string> = {};

beforeAll(async () => {
  home = modelHome();
  await home.publish('sentiment/v2', 'sentiment');
  await home.publish('archs/bert', 'secret');
  const authKeys = join(home.root, 'keys.json');
  for (const name of ['infer', 'publish'] as const) keys[name] = (await addKey(authKeys, { name, scopes: [name] })).key;
  keys['one'] = (await addKey(authKeys, { name: 'one', scopes: ['publish', 'read'], models: ['mine'] })).key;
  server = await startServer(home, { authKeys });
}, 60_000);

afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

type Entry = Partial<HeaderData> & { readonly path: string; readonly body?: string | Buffer };

/** A tar of entries that no honest program writes. */
function tarOf(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ body: contents = '', ...fields }) => {
    const body = Buffer.from(contents);
    const block = Buffer.alloc(512);
    new Header({ type: 'File', mode: 0o644, size: body.length, ...fields }).encode(block, 0);
    return [block, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1_024)]);
}

/** A directory as `tar -C PARENT -c NAME` packs it. */
async function packed(parent: string, name: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of create({ cwd: join(FIXTURES, parent), portable: true }, [name])) parts.push(part);
  return Buffer.concat(parts);
}

interface Answered {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function send(path: string, tar: Uint8Array, who = 'publish', more: object = {}): Promise<Answered> {
  const response = await fetch(`${server.running.url}/api/v1/models/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${keys[who]}`, 'content-type': 'application/octet-stream', ...more },
    body: Uint8Array.from(tar),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** Nothing of the model is in the store, and nothing that was unpacked is left. */
async function expectNothing(model: string): Promise<void> {
  await using store = await openStore(home.url);
  expect(await store.listVersions({ model })).toEqual([]);
  const left = readdirSync(join(home.root, 'cache', 'uploads'));
  expect(left.filter((name) => name.startsWith('.tar-'))).toEqual([]);
}

describe('a checkpoint in a tar', () => {
  it('takes what a process that was killed had unpacked a day ago off the disk', async () => {
    const uploads = join(home.root, 'cache', 'uploads');
    const old = join(uploads, '.tar-old');
    const young = join(uploads, '.tar-new');
    for (const folder of [old, young]) mkdirSync(folder, { recursive: true });
    const ago = Date.now() / 1_000 - 25 * 3_600;
    utimesSync(old, ago, ago);
    expect((await send('swept/tar', Buffer.from('no tar'))).body).toMatchObject({ code: 'INVALID_ARTIFACT' });
    expect([old, young].map((folder) => existsSync(folder))).toEqual([false, true]);
    rmdirSync(young);
  });

  it('is published as a directory is, and answers', async () => {
    const query = `?message=${encodeURIComponent('3 epochs')}&metadata=${encodeURIComponent('{"step": 500}')}`;
    const { status, body } = await send(`carried/tar${query}`, await packed('sentiment/v2', '.'));
    expect(status).toBe(200);
    expect(body).toMatchObject({
      created: true,
      sentBytes: 0,
      warnings: [],
      record: { model: 'carried', version: 1, publishedBy: 'publish', message: '3 epochs', metadata: { step: 500 } },
    });
    const answer = await server.post(
      '/models/carried',
      { inputs: 'Happy coding !!!', parameters: { top_k: null, function_to_apply: 'none' } },
      { headers: { authorization: `Bearer ${keys['infer']}` } },
    );
    const direct = await server.post(
      '/models/sentiment',
      { inputs: 'Happy coding !!!', parameters: { top_k: null, function_to_apply: 'none' } },
      { headers: { authorization: `Bearer ${keys['infer']}` } },
    );
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.body).toEqual(direct.body);
  });

  it('may lie in a folder of its own, and be compressed', async () => {
    const { status, body } = await send('folded/tar', gzipSync(await packed('sentiment', 'v3-head')));
    expect({ status, created: body['created'] }).toEqual({ status: 200, created: true });
    // The same again is the same version, unless a new one is asked for.
    const again = await packed('sentiment', 'v3-head');
    expect((await send('folded/tar', again)).body).toMatchObject({ created: false, record: { version: 1 } });
    expect((await send('folded/tar?force=true', again)).body).toMatchObject({ created: true, record: { version: 2 } });
  });

  it('may be an adapter, of a base that the credentials allow', async () => {
    const adapter = await packed('adapters/sentiment', '.');
    const refused = await send('mine/tar?base=secret:1', adapter, 'one');
    expect(refused).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    expect((await send('mine/tar?parent=secret:1', adapter, 'one')).status).toBe(403);
    await home.publish('archs/bert', 'mine');
    const { body } = await send('mine/tar?base=mine:1', adapter, 'one');
    expect(body).toMatchObject({ created: true, record: { version: 2, parent: 'mine:1' } });
  });

  it('needs the scope publish, and a model that the credentials allow', async () => {
    const tar = await packed('sentiment/v2', '.');
    expect((await send('other/tar', tar, 'infer')).status).toBe(403);
    expect((await send('other/tar', tar, 'one')).status).toBe(403);
    await expectNothing('other');
  });
});

const CONFIG = { path: 'config.json', body: '{}' };

describe('refused, and nothing is left:', () => {
  it.each<[string, () => Buffer | Promise<Buffer>, string]>([
    ['a path that leaves it', () => tarOf([{ path: '../../outside', body: 'x' }]), 'INVALID_ARTIFACT'],
    ['an absolute path', () => tarOf([{ path: '/tmp/modelkeep-outside', body: 'x' }]), 'INVALID_ARTIFACT'],
    ['a link', () => tarOf([{ path: 'x', type: 'SymbolicLink', linkpath: '/etc/passwd' }]), 'INVALID_ARTIFACT'],
    ['a hard link', () => tarOf([CONFIG, { path: 'x', type: 'Link', linkpath: 'config.json' }]), 'INVALID_ARTIFACT'],
    ['a device', () => tarOf([{ path: 'x', type: 'CharacterDevice' }]), 'INVALID_ARTIFACT'],
    ['a file that is a folder too', () => tarOf([CONFIG, { path: 'config.json/x', body: 'x' }]), 'INVALID_ARTIFACT'],
    ['a path twice', () => tarOf([CONFIG, CONFIG]), 'INVALID_ARTIFACT'],
    ['a file of 2^44 bytes', () => tarOf([{ ...CONFIG, size: 2 ** 44 }]), 'INVALID_ARTIFACT'],
    ['many files', () => tarOf(Array.from({ length: 10_001 }, (_, at) => ({ path: `f${at}` }))), 'INVALID_ARTIFACT'],
    ['no files', () => tarOf([]), 'INVALID_ARTIFACT'],
    ['no bytes', () => Buffer.alloc(0), 'INVALID_ARTIFACT'],
    ['no tar', () => Buffer.alloc(4_096, 'miaow'), 'INVALID_ARTIFACT'],
    ['half of a tar', async () => (await packed('sentiment/v2', '.')).subarray(0, 2_000_000), 'INVALID_ARTIFACT'],
    ['no model', () => tarOf([{ path: 'cat.jpg', body: 'miaow' }]), 'INVALID_ARTIFACT'],
    ['a pickle', () => tarOf([CONFIG, { path: 'pytorch_model.bin', body: 'x' }]), 'UNSUPPORTED_FORMAT'],
    ['another family', () => otherFamily(), 'UNSUPPORTED_FORMAT'],
  ])('%s', async (_what, make, code) => {
    const { status, body } = await send('broken/tar', await make());
    expect(body['code']).toBe(code);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    await expectNothing('broken');
  });

  it.each([
    ['?precision=int4', 'INVALID_INPUT'],
    ['?metadata=[1]', 'INVALID_INPUT'],
    ['?metadata={', 'INVALID_INPUT'],
    ['?force=perhaps', 'INVALID_INPUT'],
    ['?parent=nobody:1', 'MODEL_NOT_FOUND'],
  ])('a query of %s', async (query, code) => {
    const { body } = await send(`broken/tar${query}`, await packed('sentiment/v2', '.'));
    expect(body['code']).toBe(code);
    await expectNothing('broken');
  });

  it('what the client allows no time for', async () => {
    const tar = await packed('sentiment/v2', '.');
    const { status, body } = await send('broken/tar', tar, 'publish', { 'x-modelkeep-timeout-ms': '1' });
    expect({ status, code: body['code'] }).toEqual({ status: 504, code: 'DEADLINE_EXCEEDED' });
    await expectNothing('broken');
  });
});

function otherFamily(): Buffer {
  const config = JSON.parse(readFileSync(join(FIXTURES, 'sentiment/v2/config.json'), 'utf8')) as object;
  return tarOf([
    { path: 'config.json', body: JSON.stringify({ ...config, model_type: 'llama' }) },
    { path: 'model.safetensors', body: readFileSync(join(FIXTURES, 'archs/bert/model.safetensors')) },
  ]);
}
