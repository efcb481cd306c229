import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isSigned, Receiver } from '../integration/receiver.js';
import { until } from '../unit/runners/processes.js';
import { cliHome, fixture, type CliHome } from './cli-harness.js';

let home: CliHome;
beforeEach(() => {
  home = cliHome();
});
afterEach(() => home[Symbol.dispose]());

const push = (path: string) => home.run(['push', fixture(path), '--name', 'sentiment']);

test('signs, verifies and refuses versions with keys of its own making', { timeout: 120_000 }, async () => {
  await push('sentiment/v2');
  const made = await home.json(['signing-key', 'new', 'release.pem']);
  const { keyId } = made.value as { keyId: string };
  expect(statSync(join(home.root, 'release.pem')).mode & 0o777).toBe(0o600);
  // Never over a key that is there.
  expect((await home.json(['signing-key', 'new', 'release.pem'])).value).toMatchObject({
    error: { code: 'INVALID_INPUT' },
  });
  const verify = ['verify', 'sentiment:1', '--key', 'release.pem.pub'];
  expect((await home.json(verify)).value).toMatchObject({ error: { code: 'GATE_FAILED' } });
  const refused = await home.json(['predict', 'sentiment', 'good', '--require-signature', 'release.pem.pub']);
  expect(refused.value).toMatchObject({ error: { code: 'GATE_FAILED' } });
  const signed = await home.json(['sign', 'sentiment', '--key', 'release.pem', '-m', 'released']);
  expect(signed).toMatchObject({ code: 0, value: { record: { version: 1 }, keyId } });
  expect((await home.json(verify)).value).toMatchObject({ problems: 0, signatures: { 'sentiment:1': keyId } });
  const answer = await home.json(['predict', 'sentiment', 'good', '--require-signature', 'release.pem.pub']);
  expect(answer).toMatchObject({ code: 0, value: { version: 1 } });
  await home.run(['signature', 'rm', 'sentiment', keyId]);
  expect((await home.json(verify)).value).toMatchObject({ error: { code: 'GATE_FAILED' } });
});

test(
  'tells a webhook what happens, by a server, and refuses one inside of the network unless allowed',
  { timeout: 120_000 },
  async () => {
    const receiver = await new Receiver().open();
    try {
      await push('sentiment/v2');
      const refused = await home.json(['webhook', 'add', 'https://169.254.169.254/latest']);
      expect(refused.value).toMatchObject({ error: { code: 'INVALID_INPUT' } });
      expect((await home.json(['webhook', 'list'])).value).toEqual([]);
      const add = ['webhook', 'add', receiver.url, '--model', 'sentiment', '--events', 'alias-moved'];
      const added = await home.json([...add, '--webhook-allow-private']);
      const { id, secret } = added.value as { id: string; secret: string };
      const environment = { MODELKEEP_WEBHOOK_ALLOW_PRIVATE: 'true', MODELKEEP_POLL_INTERVAL_MS: '50' };
      const server = home.start(['serve', '--port', '0'], { environment });
      await server.says('stdout', 'http://');
      await home.run(['alias', 'set', 'sentiment:1', 'production', '-m', 'first']);
      await until('it was told', () => receiver.received.length === 1);
      expect(receiver.received[0]).toMatchObject({
        type: 'alias-moved',
        data: { alias: 'production', message: 'first' },
      });
      expect(receiver.received.map((one) => isSigned(one, secret))).toEqual([true]);
      receiver.answer = (response) => void response.writeHead(500).end();
      await home.run(['alias', 'rm', 'sentiment@production']);
      await home.run(['alias', 'set', 'sentiment:1', 'staging']);
      await until('it failed', () => receiver.received.length >= 2);
      await server.says('stderr', 'did not take an event');
      const list = await home.run(['webhook', 'list']);
      expect(list.stdout).toMatch(/failing since .*it answered 500/);
      expect((await home.run(['webhook', 'test', id], { environment })).code).toBe(4);
      expect(server.said('stderr') + list.stdout).not.toContain(secret.slice(6));
      server.child.kill('SIGTERM');
      await once(server.child, 'close');
    } finally {
      await receiver.close();
    }
  },
);

test('takes the secret of a webhook from a file, and does not show it', async () => {
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  writeFileSync(join(home.root, 'secret'), `${secret}\n`);
  const add = ['webhook', 'add', 'http://127.0.0.1:9/hook', '--webhook-allow-private', '--secret-file'];
  const added = await home.run([...add, 'secret', '--json']);
  expect(added.stdout).not.toContain('whsec_');
  expect((await home.run(['webhook', 'list', '--json'])).stdout).not.toContain('whsec_');
  writeFileSync(join(home.root, 'secret'), 'hunter2-hunter2');
  const refused = await home.run([...add, 'secret', '--json']);
  expect(refused.stdout).toContain('INVALID_INPUT');
  expect(refused.stdout + refused.stderr).not.toContain('hunter2');
});
