import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cliHome, type CliHome } from './cli-harness.js';

let home: CliHome;
let file: string[];

beforeAll(() => {
  home = cliHome();
  file = ['--auth-keys', join(home.root, 'keys.json')];
});

afterAll(() => home[Symbol.dispose]());

test('a key is made, listed without its secret, used by a server, and removed', async () => {
  const added = await home.json([
    'key',
    'add',
    'shop',
    '--scope',
    'infer',
    '--model',
    'team/*',
    '--expires',
    '90d',
    ...file,
  ]);
  expect(added).toEqual({
    code: 0,
    value: {
      id: expect.stringMatching(/^[0-9a-f]{12}$/),
      name: 'shop',
      scopes: ['infer'],
      models: ['team/*'],
      createdAt: expect.stringMatching(/Z$/),
      expiresAt: expect.stringMatching(/Z$/),
      key: expect.stringMatching(/^mk_/),
    },
  });
  const { key, ...described } = added.value as { key: string };
  expect(readFileSync(join(home.root, 'keys.json'), 'utf8')).not.toContain(key.split('_')[2]);
  expect(await home.json(['key', 'list', ...file])).toEqual({ code: 0, value: [described] });
  const twice = await home.json(['key', 'add', 'shop', '--scope', 'read', ...file]);
  expect(twice).toMatchObject({ code: 2, value: { error: { code: 'INVALID_INPUT' } } });

  const server = home.start(['serve', '--port', '0', '--log-level', 'debug', ...file]);
  await server.says('stdout', '\n');
  const url = /http:\S+/.exec(server.said('stdout'))?.[0] ?? '';
  const ask = async (headers: Record<string, string>) => (await fetch(`${url}/v2`, { headers })).status;
  expect(await ask({})).toBe(401);
  expect(await ask({ authorization: `Bearer ${key}` })).toBe(200);
  const removed = await home.json(['key', 'rm', 'shop', ...file]);
  expect(removed).toEqual({ code: 0, value: { ...described, removed: true } });
  await expect.poll(() => ask({ authorization: `Bearer ${key}` }), { timeout: 5_000 }).toBe(401);
  server.child.kill('SIGTERM');
  const { stderr } = await server.ended;
  expect(stderr).toContain('request answered');
  expect(stderr).not.toContain(key.slice(16));
});

test.each<readonly string[]>([
  ['key', 'add', 'x', '--scope', 'write'],
  ['key', 'add', 'x', '--scope', 'infer', '--expires', 'yesterday'],
  ['key', 'add', 'x', '--scope', 'infer', '--expires', '2020-01-01'],
  ['key', 'rm', 'nobody'],
])('%s %s %s %s is refused with 2', async (...args) => {
  const { code, value } = await home.json([...args, ...file]);
  expect({ code, value }).toMatchObject({ code: 2, value: { error: { code: 'INVALID_INPUT' } } });
});

test('without a file it says how to name one', async () => {
  const { code, stderr } = await home.run(['key', 'list']);
  expect(code).toBe(2);
  expect(stderr).toContain('--auth-keys');
});

test('a server does not listen beyond this machine unless somebody is asked, or it is said', async () => {
  const { code, value } = await home.json(['serve', '--host', '0.0.0.0', '--port', '0']);
  expect({ code, value }).toMatchObject({
    code: 2,
    value: { error: { message: expect.stringContaining('--insecure') } },
  });
});
