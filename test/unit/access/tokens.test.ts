import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type CryptoKey } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAccess, type Access, type TokenOptions } from '../../../src/access/index.js';

let issuer: Server;
let keys: { readonly privateKey: CryptoKey; readonly publicKey: CryptoKey };
let options: TokenOptions;
let access: Access;

beforeAll(async () => {
  keys = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'ES256' };
  issuer = createServer((_request, response) => response.end(JSON.stringify({ keys: [jwk] }))).listen(0, '127.0.0.1');
  await once(issuer, 'listening');
  const jwksUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks`;
  options = { jwksUrl, issuer: 'https://id.example', audience: 'modelkeep', scopeClaim: 'scope' };
  access = await openAccess({ tokens: options });
});

afterAll(() => {
  issuer.closeAllConnections();
  issuer.close();
});

interface Claims {
  readonly [name: string]: unknown;
}

function sign(claims: Claims, key: CryptoKey = keys.privateKey): Promise<string> {
  const good = { iss: 'https://id.example', aud: 'modelkeep', sub: 'ann', exp: Math.floor(Date.now() / 1_000) + 60 };
  const all = Object.entries({ ...good, ...claims }).filter(([, value]) => value !== undefined);
  return new SignJWT(Object.fromEntries(all)).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(key);
}

const read = async (token: string) => access.authenticate(`Bearer ${token}`);

test.each([
  ['a text', { scope: 'infer other read' }],
  ['a list', { scope: ['modelkeep:infer', 'modelkeep.read', 'x:admin'] }],
])('scopes are %s', async (_form, claims) => {
  expect(await read(await sign(claims))).toEqual({ name: 'ann', scopes: new Set(['infer', 'read']) });
});

test('a token may name the models that it is for, and may allow nothing', async () => {
  const principal = await read(await sign({ modelkeep_models: ['team/*'] }));
  expect(principal).toEqual({ name: 'ann', scopes: new Set(), models: ['team/*'] });
});

test.each<[string, Claims]>([
  ['another issuer', { iss: 'https://evil.example' }],
  ['another audience', { aud: 'other' }],
  ['no audience', { aud: undefined }],
  ['its time over', { exp: Math.floor(Date.now() / 1_000) - 60 }],
  ['no end', { exp: undefined }],
  ['a time to come', { nbf: Math.floor(Date.now() / 1_000) + 600 }],
  ['models that are no list', { modelkeep_models: 'team/*' }],
])('a token with %s is UNAUTHENTICATED', async (_why, claims) => {
  const token = await sign({ scope: 'admin', ...claims });
  const refused = read(token);
  await expect(refused).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining(token) });
});

test('a token that another key signed, one without signature, and one signed with the public key are refused', async () => {
  const other = await generateKeyPair('ES256');
  const stranger = await sign({ scope: 'admin' }, other.privateKey);
  const unsigned = new UnsecuredJWT({ scope: 'admin', iss: options.issuer, aud: options.audience })
    .setExpirationTime('1h')
    .encode();
  const secret = new TextEncoder().encode(JSON.stringify(await exportJWK(keys.publicKey)));
  const confused = await new SignJWT({ scope: 'admin', iss: options.issuer, aud: options.audience })
    .setProtectedHeader({ alg: 'HS256', kid: 'one' })
    .setExpirationTime('1h')
    .sign(secret);
  for (const token of [stranger, unsigned, confused, 'a.b.c']) {
    await expect(read(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  }
});

test('keys that cannot be had are UNAUTHENTICATED too, and asked for again', async () => {
  const away = await openAccess({ tokens: { ...options, jwksUrl: 'http://127.0.0.1:9/jwks' } });
  const refused = away.authenticate(`Bearer ${await sign({})}`);
  await expect(refused).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test.each<[string, Partial<TokenOptions>]>([
  ['no issuer', { issuer: '' }],
  ['no audience', { audience: '' }],
  ['keys over a network in the clear', { jwksUrl: 'http://id.example/jwks' }],
  ['keys in a file', { jwksUrl: 'file:///etc/passwd' }],
  ['no URL', { jwksUrl: 'keys' }],
])('%s is INVALID_INPUT', async (_why, wrong) => {
  await expect(openAccess({ tokens: { ...options, ...wrong } })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
});
