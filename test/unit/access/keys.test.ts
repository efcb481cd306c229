import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { addKey, listKeys, openAccess, removeKey } from '../../../src/access/index.js';
import { ModelkeepError } from '../../../src/core/index.js';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelkeep-keys-'));
  file = join(folder, 'keys.json');
});

afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

const UNAUTHENTICATED = { code: 'UNAUTHENTICATED' };
const bearer = (key: string) => `Bearer ${key}`;

describe('the key file', () => {
  test('holds a hash and never the key, and only its owner reads it', async () => {
    const { key, id } = await addKey(file, { name: 'shop', scopes: ['infer'], models: ['team/*'] });
    expect(key).toMatch(/^mk_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
    const text = readFileSync(file, 'utf8');
    expect(text).toContain(id);
    expect(text).not.toContain(key.slice(16));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await listKeys(file)).toEqual([
      { id, name: 'shop', scopes: ['infer'], models: ['team/*'], createdAt: expect.any(String) },
    ]);
  });

  test.each([
    [{ name: 'a', scopes: ['write'] }],
    [{ name: 'a', scopes: [] }],
    [{ name: 'a', scopes: ['infer'], models: ['Not A Model'] }],
    [{ name: '', scopes: ['infer'] }],
    [{ name: 'taken', scopes: ['infer'] }],
  ])('refuses %j and stays as it is', async (options) => {
    await addKey(file, { name: 'taken', scopes: ['read'] });
    const before = readFileSync(file, 'utf8');
    await expect(addKey(file, options)).rejects.toBeInstanceOf(ModelkeepError);
    expect(readFileSync(file, 'utf8')).toBe(before);
    await addKey(file, { name: 'next', scopes: ['read'] });
  });

  test('of two who change it at once nobody loses a key', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const added = await Promise.allSettled(names.map((name) => addKey(file, { name, scopes: ['read'] })));
    const done = names.filter((_, i) => added[i]?.status === 'fulfilled');
    expect(done.length).toBeGreaterThan(0);
    expect((await listKeys(file)).map(({ name }) => name).toSorted()).toEqual(done);
    const refused = added.flatMap((one) => (one.status === 'rejected' ? [one.reason as ModelkeepError] : []));
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(refused.length > 0 ? ['ALIAS_CONFLICT'] : []));
  });

  test.each(['', '{', '[]', '{"format":2,"keys":[]}', '{"format":1,"keys":[{"id":"x"}]}'])(
    'that holds %j is INVALID_INPUT',
    async (text) => {
      writeFileSync(file, text);
      await expect(listKeys(file)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
      await expect(openAccess({ keysFile: file })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
      await expect(addKey(file, { name: 'a', scopes: ['read'] })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
      expect(readFileSync(file, 'utf8')).toBe(text);
    },
  );

  test('that is not there is INVALID_INPUT', async () => {
    await expect(openAccess({ keysFile: file })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(listKeys(file)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});

describe('a key', () => {
  test('tells who asks and what that one may do, with what its scopes include', async () => {
    const { key } = await addKey(file, { name: 'ci', scopes: ['publish'] });
    const principal = await (await openAccess({ keysFile: file })).authenticate(bearer(key));
    expect(principal).toEqual({ name: 'ci', scopes: new Set(['publish', 'read']) });
  });

  test.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Basic YTpi',
    'Bearer mk_',
    'Bearer mk_000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    'Bearer other',
    'Bearer a.b.c',
  ])('is not %j', async (header) => {
    await addKey(file, { name: 'ci', scopes: ['admin'] });
    const access = await openAccess({ keysFile: file });
    await expect(access.authenticate(header)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('with another secret, or one character less, is not known; the message holds no key', async () => {
    const { key } = await addKey(file, { name: 'ci', scopes: ['admin'] });
    const access = await openAccess({ keysFile: file });
    const last = key.endsWith('A') ? 'Q' : 'A';
    for (const wrong of [`${key.slice(0, -1)}${last}`, key.slice(0, -1), `${key}A`]) {
      const refused = access.authenticate(bearer(wrong));
      await expect(refused).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
      await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining(wrong.slice(20)) });
    }
  });

  test('that has expired does not work', async () => {
    const { key } = await addKey(file, { name: 'ci', scopes: ['read'], expiresAt: new Date(Date.now() + 60_000) });
    const access = await openAccess({ keysFile: file });
    expect((await access.authenticate(bearer(key))).name).toBe('ci');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 });
    await expect(access.authenticate(bearer(key))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('that is removed, or added, is known to a running server', async () => {
    const { key } = await addKey(file, { name: 'old', scopes: ['read'] });
    const access = await openAccess({ keysFile: file });
    await removeKey(file, 'old');
    const added = await addKey(file, { name: 'new', scopes: ['read'] });
    await vi.waitFor(() => expect(access.authenticate(bearer(key))).rejects.toMatchObject(UNAUTHENTICATED), 3_000);
    expect((await access.authenticate(bearer(added.key))).name).toBe('new');
    await expect(removeKey(file, 'old')).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('does not work while the file is damaged, which is told once', async () => {
    const { key } = await addKey(file, { name: 'ci', scopes: ['read'] });
    const whole = readFileSync(file);
    const onTrouble = vi.fn<(error: ModelkeepError) => void>();
    const access = await openAccess({ keysFile: file, onTrouble });
    writeFileSync(file, '{');
    await vi.waitFor(() => expect(access.authenticate(bearer(key))).rejects.toMatchObject(UNAUTHENTICATED), 3_000);
    expect(onTrouble).toHaveBeenCalledOnce();
    writeFileSync(file, whole);
    utimesSync(file, 1, 1);
    await vi.waitFor(async () => expect((await access.authenticate(bearer(key))).name).toBe('ci'), 3_000);
  });
});

test('without keys and tokens everybody may do everything', async () => {
  const access = await openAccess({});
  expect(access.required).toBe(false);
  expect((await access.authenticate(undefined)).scopes).toEqual(new Set(['infer', 'read', 'publish', 'admin']));
});
