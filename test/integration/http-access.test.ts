import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addKey } from '../../src/app/index.js';
import { makeCertificates, type CertificateFiles, type Certificates } from './certificates.js';
import { modelHome, startServer, type Answer, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;
let keysFile: string;
const keys: Record<string, string> = {};

beforeAll(async () => {
  home = modelHome();
  await home.publish('sentiment/v2', 'sentiment');
  await home.publish('sentiment/v1', 'secret/plans');
  keysFile = join(home.root, 'keys.json');
  for (const name of ['infer', 'read', 'admin']) {
    keys[name] = (await addKey(keysFile, { name, scopes: [name] })).key;
  }
  keys.one = (await addKey(keysFile, { name: 'one', scopes: ['infer', 'read'], models: ['sentiment'] })).key;
});

afterAll(() => home[Symbol.dispose]());

const as = (name: string) => ({ authorization: `Bearer ${keys[name]}` });
const ask = { inputs: 'fine' };

const statusOf = async (base: string | undefined, path: string) => (await fetch(`${base}${path}`)).status;

const shown = ({ cert, key }: CertificateFiles) => ({ cert: readFileSync(cert), key: readFileSync(key) });

/** Asks over TLS; the certificate is for a name, and the test connects to an address. */
function getSecurely(url: string, client: object = {}): Promise<Pick<Answer<string>, 'status' | 'body'>> {
  return new Promise((resolve, reject) => {
    const ca = readFileSync(join(home.root, 'ca.pem'));
    const options = { ca, agent: false, checkServerIdentity: () => undefined, ...client };
    request(`${url}/v2/health/live`, options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => (body += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    })
      .on('error', reject)
      .end();
  });
}

describe('with keys', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer(home, { authKeys: keysFile });
    await server.post('/models/secret/plans', ask, { headers: as('admin') });
  });

  afterAll(() => server.close());

  test.each(['/v2/health/live', '/v2/health/ready', '/openapi.json'])('%s stays open', async (path) => {
    const { status, body } = await server.get(path);
    expect(status).toBe(200);
    expect(JSON.stringify(body)).not.toContain('secret/plans');
  });

  test.each(['/v2', '/v2/models/sentiment', '/v2/models/sentiment/ready', '/status', '/metrics'])(
    'GET %s without credentials is 401, in the same words whatever there is',
    async (path) => {
      const { status, headers, body } = await server.get(path);
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toBe('Bearer');
      expect(body).toEqual({ code: 'UNAUTHENTICATED', error: expect.any(String) });
    },
  );

  test('a wrong key is 401 before the body is read', async () => {
    const headers = { authorization: 'Bearer mk_000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' };
    const { status, body } = await server.post('/models/sentiment', '{not json', { headers });
    expect(status).toBe(401);
    expect(body).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('infer asks models and sees no names', async () => {
    expect((await server.post('/models/sentiment', ask, { headers: as('infer') })).status).toBe(200);
    expect((await server.get('/v2/models/sentiment', as('infer'))).status).toBe(200);
    for (const path of ['/status', '/metrics']) expect((await server.get(path, as('infer'))).status).toBe(403);
  });

  test('read sees, and asks nothing', async () => {
    expect((await server.get('/status', as('read'))).status).toBe(200);
    expect((await server.get('/metrics', as('read'))).body).toContain('secret/plans');
    expect((await server.post('/models/sentiment', ask, { headers: as('read') })).status).toBe(403);
  });

  test('names and places do not leak to one who may not read', async () => {
    const missing = await server.post('/models/nope', ask, { headers: as('infer') });
    expect(missing).toMatchObject({
      status: 404,
      body: { code: 'MODEL_NOT_FOUND', error: 'The store has no model of that name.' },
    });
    const told = await server.post('/models/nope', ask, { headers: as('admin') });
    expect(JSON.stringify(told.body)).toContain('secret/plans');
  });

  test('a key for one model gets the same answer for another one and for one that is not there', async () => {
    const bodyOf = async (model: string) =>
      JSON.stringify((await server.post(`/models/${model}`, ask, { headers: as('one') })).body).replaceAll(model, 'X');
    expect(await bodyOf('secret/plans')).toBe(await bodyOf('not/there'));
    const other = await server.post('/v2/models/secret/plans/versions/1/infer', ask, { headers: as('one') });
    expect(other).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    expect((await server.post('/models/sentiment:1', ask, { headers: as('one') })).status).toBe(200);
    const status = (await server.get('/status', as('one'))).body;
    expect(JSON.stringify(status)).toContain('sentiment');
    expect(JSON.stringify(status)).not.toContain('secret');
  });

  test('an unknown path is 404 for everybody', async () => {
    expect((await server.get('/admin')).status).toBe(404);
  });
});

describe('pages in a browser', () => {
  const origin = 'https://app.example';
  const preflight = { origin, 'access-control-request-method': 'POST' };

  test('of an origin that is named may ask, and read what a refusal says', async () => {
    await using server = await startServer(home, { authKeys: keysFile, corsOrigins: origin });
    const url = `${server.running.url}/models/sentiment`;
    const allowed = await fetch(url, { method: 'OPTIONS', headers: preflight });
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe(origin);
    expect(allowed.headers.get('access-control-allow-headers')).toContain('authorization');
    const refused = await server.post('/models/sentiment', ask, { headers: { origin } });
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, origin]);
    const answered = await server.post('/models/sentiment', ask, { headers: { origin, ...as('infer') } });
    expect([answered.status, answered.headers.get('access-control-allow-origin')]).toEqual([200, origin]);
    expect(answered.headers.get('access-control-allow-credentials')).toBeNull();
    const other = await fetch(url, { method: 'OPTIONS', headers: { ...preflight, origin: 'https://evil.example' } });
    expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([404, null]);
  });

  test('may not ask unless told otherwise', async () => {
    await using server = await startServer(home);
    const answered = await server.post('/models/sentiment', ask, { headers: { origin } });
    expect(answered.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('a port for management', () => {
  test('has management and health, the main port has the rest', async () => {
    await using server = await startServer(home, { adminPort: 0 });
    const { url, adminUrl } = server.running;
    expect(adminUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(adminUrl).not.toBe(url);
    for (const path of ['/status', '/metrics']) {
      expect(await statusOf(adminUrl, path)).toBe(200);
      expect(await statusOf(url, path)).toBe(404);
    }
    for (const base of [url, adminUrl]) expect(await statusOf(base, '/v2/health/ready')).toBe(200);
    expect(await statusOf(url, '/v2/models/sentiment')).toBe(200);
    expect(await statusOf(adminUrl, '/v2/models/sentiment')).toBe(404);
  });
});

describe('beyond this machine', () => {
  test.each(['0.0.0.0', '::', '192.0.2.1', 'example.org'])(
    '%s is refused where everybody may do everything',
    async (host) => {
      await expect(startServer(home, { host })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining('--insecure'),
      });
    },
  );

  test.each([{ insecure: true }, { authKeys: '' }])('it is listened to with %j', async (flags) => {
    const { authKeys } = flags as { authKeys?: string };
    const given = authKeys === undefined ? flags : { authKeys: keysFile };
    await using server = await startServer(home, { host: '0.0.0.0', ...given });
    expect(server.running.url).toMatch(/^http:/);
  });
});

describe('TLS', () => {
  let files: Record<string, string>;
  let made: Certificates;

  beforeAll(() => {
    made = makeCertificates(home.root);
    files = { tlsCert: made.server.cert, tlsKey: made.server.key, tlsClientCa: made.ca };
  });

  test('encrypts', async () => {
    const { tlsCert, tlsKey } = files;
    await using server = await startServer(home, { tlsCert, tlsKey });
    expect(server.running.url).toMatch(/^https:/);
    expect(await getSecurely(server.running.url)).toEqual({ status: 200, body: '{"live":true}' });
    await expect(fetch(server.running.url.replace('https', 'http'))).rejects.toThrow('fetch failed');
  });

  test('is greeted in time, or the connection is closed', async () => {
    const { tlsCert, tlsKey } = files;
    await using server = await startServer(home, { tlsCert, tlsKey, headersTimeoutMs: 300 });
    const { hostname, port } = new URL(server.running.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    const startedMs = performance.now();
    socket.resume();
    await once(socket, 'close');
    expect(performance.now() - startedMs).toBeLessThan(10_000);
    expect((await getSecurely(server.running.url)).status).toBe(200);
  });

  test('asks clients for a certificate, which counts as credentials', async () => {
    await using server = await startServer(home, { ...files, host: '0.0.0.0' });
    const url = server.running.url.replace('0.0.0.0', '127.0.0.1');
    await expect(getSecurely(url)).rejects.toMatchObject({
      code: expect.stringMatching(/^(ERR_SSL|ECONNRESET|EPIPE)/),
    });
    await expect(getSecurely(url, shown(made.foreign))).rejects.toMatchObject({
      code: expect.stringMatching(/^(ERR_SSL|ECONNRESET|EPIPE)/),
    });
    expect((await getSecurely(url, shown(made.client))).status).toBe(200);
  });

  test.each([
    ['a certificate without its key', { tlsKey: '' }],
    ['only authorities', { tlsCert: '', tlsKey: '' }],
    ['a file that is not there', { tlsCert: '/nowhere/cert.pem' }],
  ])('%s is INVALID_INPUT', async (_what, wrong) => {
    await expect(startServer(home, { ...files, ...wrong })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('a key that is not the certificate’s is INVALID_INPUT', async () => {
    const wrong = { ...files, tlsKey: made.client.key };
    await expect(startServer(home, wrong)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});
