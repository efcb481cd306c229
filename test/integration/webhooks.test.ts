import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VersionStore } from '../../src/core/index.js';
import { openLocalStore } from '../../src/stores/index.js';
import { freshContents } from '../../src/testing/index.js';
import {
  addWebhook,
  Deliverer,
  listWebhooks,
  removeWebhook,
  testWebhook,
  type DelivererOptions,
  type DeliveryTrouble,
} from '../../src/webhooks/index.js';
import { collectGarbage } from '../unit/garbage.js';
import { until } from '../unit/runners/processes.js';
import { isSigned, Receiver } from './receiver.js';

const allowed = { allowPrivate: true };
let directory = '';
let store: VersionStore;
let receiver: Receiver;
let deliverers: Deliverer[] = [];
let troubles: DeliveryTrouble[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'modelkeep-webhooks-'));
  store = await openLocalStore({ directory });
  receiver = await new Receiver().open();
  deliverers = [];
  troubles = [];
  const { manifest, source } = freshContents();
  await store.publish({ model: 'm', manifest }, source);
  await store.publish({ model: 'other', manifest }, source);
});

afterEach(async () => {
  await Promise.all(deliverers.map((one) => one.close()));
  await receiver.close();
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

function deliver(options: DelivererOptions = {}): Deliverer {
  const quick = { ...allowed, pollMs: 10, leaseMs: 400, firstRetryMs: 10 };
  const one = new Deliverer(store, { ...quick, onTrouble: (trouble) => troubles.push(trouble), ...options });
  deliverers.push(one);
  return one;
}

async function tag(...tags: readonly string[]): Promise<void> {
  for (const one of tags) await store.annotate({ model: 'm', version: 1 }, { addTags: [one] });
}

/** The tags that messages told, in order, each when it was told first. */
function told(): unknown[] {
  const first = new Map(receiver.received.map(({ id, data }) => [id, (data as { added: string[] }).added[0]]));
  return [...first.values()];
}

describe('a webhook', () => {
  it('is told what happens from now on, in order, signed', async () => {
    await tag('before');
    const { secret, ...added } = await addWebhook(store, { url: receiver.url, by: 'ann' }, allowed);
    deliver();
    await store.moveAlias({ model: 'm', alias: 'production', to: 1, by: 'bob', message: 'why' });
    await tag('a');
    await until('both were told', () => receiver.received.length === 2);
    const [first, second] = receiver.received;
    expect(first).toMatchObject({
      type: 'alias-moved',
      path: '/hook',
      data: { kind: 'alias-moved', model: 'm', alias: 'production', to: 1, by: 'bob', message: 'why' },
    });
    expect(second).toMatchObject({ type: 'annotated', data: { added: ['a'] } });
    expect(receiver.received.map((one) => isSigned(one, secret))).toEqual([true, true]);
    await until('it is known', async () => (await listWebhooks(store))[0]?.behind === 0);
    expect(await listWebhooks(store)).toMatchObject([{ ...added, by: 'ann', deliveredAt: expect.any(Date) }]);
  });

  it('is told of its model and its kinds of events alone', async () => {
    await addWebhook(store, { url: receiver.url, model: 'm', events: ['alias-moved', 'archived'] }, allowed);
    deliver();
    await tag('a');
    await store.moveAlias({ model: 'other', alias: 'x', to: 1 });
    await store.moveAlias({ model: 'm', alias: 'x', to: 1 });
    await until('it has passed all', async () => (await listWebhooks(store))[0]?.behind === 0);
    expect(receiver.received.map(({ data }) => [data.kind, data.model])).toEqual([['alias-moved', 'm']]);
  });

  it('is asked again until it takes an event, which holds up the next ones', async () => {
    await addWebhook(store, { url: receiver.url }, allowed);
    let failures = 3;
    receiver.answer = (response) => {
      failures -= 1;
      response.writeHead(failures >= 0 ? 500 : 200).end();
    };
    deliver();
    await tag('a', 'b');
    await until('both were told', () => receiver.received.length === 5);
    expect(receiver.received.map(({ data }) => (data as { added: string[] }).added[0])).toEqual([
      'a',
      'a',
      'a',
      'a',
      'b',
    ]);
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(2);
    expect(troubles).toMatchObject([1, 2, 3].map(() => ({ error: 'it answered 500' })));
  });

  it('may hang, and may be away: it gets everything when it is back', async () => {
    await addWebhook(store, { url: receiver.url }, allowed);
    // A limit that the engine collects never comes.
    receiver.answer = () => collectGarbage();
    deliver({ receiverTimeoutMs: 100 });
    await tag('a');
    await until('it was asked twice', () => receiver.received.length >= 2);
    await receiver.close();
    await tag('b', 'c');
    await until('it is missed', () => troubles.some(({ error }) => String(error).includes('ECONNREFUSED')));
    const [state] = await listWebhooks(store);
    expect(state).toMatchObject({ behind: 3, failing: { attempts: expect.any(Number), since: expect.any(Date) } });
    receiver.answer = (response) => void response.writeHead(200).end();
    await receiver.open();
    await until('all was told', () => told().length === 3);
    expect(told()).toEqual(['a', 'b', 'c']);
    await until('it fails no more', async () => (await listWebhooks(store))[0]?.failing === undefined);
  });

  it('holds up no other webhook', async () => {
    const slow = await new Receiver().open();
    slow.answer = () => undefined;
    await addWebhook(store, { url: slow.url }, allowed);
    await addWebhook(store, { url: receiver.url }, allowed);
    deliver();
    await tag('a', 'b');
    await until('the other one was told', () => told().length === 2);
    expect(slow.received).toHaveLength(1);
    await slow.close();
  });

  it('is told nothing more after it answered 410 Gone, or was removed', async () => {
    const { id } = await addWebhook(store, { url: receiver.url }, allowed);
    receiver.answer = (response) => void response.writeHead(410).end();
    deliver();
    await tag('a');
    await until('it is disabled', async () => (await listWebhooks(store))[0]?.disabled !== undefined);
    const second = await addWebhook(store, { url: receiver.url.replace('hook', 'second') }, allowed);
    receiver.answer = (response) => void response.writeHead(200).end();
    await tag('b');
    await until('the second was told', () => receiver.received.some(({ path }) => path === '/second'));
    expect(receiver.received.filter(({ path }) => path === '/hook')).toHaveLength(1);
    await removeWebhook(store, id);
    await removeWebhook(store, second.id);
    await expect(removeWebhook(store, id)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    for (const kind of ['webhook', 'webhook-secret', 'webhook-cursor']) {
      expect(await store.listEntries({ kind })).toEqual([]);
    }
  });

  it('is sent a test, and its redirects are not followed', async () => {
    const { id, secret } = await addWebhook(store, { url: receiver.url }, allowed);
    expect(await testWebhook(store, id, allowed)).toEqual({ delivered: true, status: 204 });
    expect(receiver.received).toMatchObject([{ type: 'webhook.test', data: { webhook: id } }]);
    expect(receiver.received.every((one) => isSigned(one, secret))).toBe(true);
    receiver.answer = (response) => void response.writeHead(302, { location: '/elsewhere' }).end();
    expect(await testWebhook(store, id, allowed)).toMatchObject({ delivered: false, status: 302 });
    expect(receiver.received.map(({ path }) => path)).toEqual(['/hook', '/hook']);
    await expect(testWebhook(store, 'abc', allowed)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  it('shows its secret once, and never again', async () => {
    const { secret } = await addWebhook(store, { url: receiver.url }, allowed);
    receiver.answer = (response) => void response.writeHead(500).end();
    deliver();
    await tag('a');
    await until('there is trouble', () => troubles.length > 0);
    const seen = JSON.stringify([await listWebhooks(store), await store.listEntries({ kind: 'webhook' }), troubles]);
    expect(seen).not.toContain(secret.slice(6, 20));
  });
});

describe('an address inside of the network', () => {
  it.each([
    'https://127.0.0.1/x',
    'https://localhost/x',
    'https://localhost.:8443/x',
    'https://[::1]/x',
    'https://[::ffff:127.0.0.1]/x',
    'https://[::ffff:7f00:1]/x',
    'https://[fe80::1]/x',
    'https://[fd00::1]/x',
    'https://[64:ff9b::7f00:1]/x',
    'https://[2002:7f00:1::]/x',
    'https://169.254.169.254/latest/meta-data',
    'https://10.0.0.1/x',
    'https://172.16.5.5/x',
    'https://192.168.1.1/x',
    'https://100.64.0.1/x',
    'https://0.0.0.0/x',
    'https://2130706433/x',
    'https://0x7f.1/x',
    'https://0177.0.0.1/x',
    'https://127.1/x',
    'http://8.8.8.8/x',
    'https://user:secret@8.8.8.8/x',
    'ftp://8.8.8.8/x',
    'file:///etc/passwd',
    'no url',
    `https://8.8.8.8/${'x'.repeat(2_000)}`,
  ])('%s is refused, and nothing is added', async (url) => {
    await expect(addWebhook(store, { url })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    for (const kind of ['webhook', 'webhook-secret', 'webhook-cursor']) {
      expect(await store.listEntries({ kind })).toEqual([]);
    }
  });

  it('is refused when a message is sent, too, since names can come to mean another address', async () => {
    const url = receiver.url.replace('127.0.0.1', 'localhost');
    const { id } = await addWebhook(store, { url }, allowed);
    const { id: plain } = await addWebhook(store, { url: receiver.url }, allowed);
    for (const one of [id, plain]) {
      const { delivered, error } = await testWebhook(store, one);
      expect({ delivered, error }).toMatchObject({
        delivered: false,
        error: expect.stringContaining('inside of this'),
      });
    }
    deliver({ allowPrivate: false });
    await tag('a');
    await until('both are in trouble', () => new Set(troubles.map(({ webhook }) => webhook?.id)).size === 2);
    expect(receiver.received).toEqual([]);
  });

  it('is no webhook without a known event, model and secret either', async () => {
    const { url } = receiver;
    const invalid = { code: 'INVALID_INPUT' };
    await expect(addWebhook(store, { url, events: ['nothing'] }, allowed)).rejects.toMatchObject(invalid);
    await expect(addWebhook(store, { url, secret: 'short' }, allowed)).rejects.toMatchObject(invalid);
    await expect(addWebhook(store, { url, model: 'Not One' }, allowed)).rejects.toMatchObject({
      code: 'INVALID_REFERENCE',
    });
    const secret = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
    expect((await addWebhook(store, { url, secret }, allowed)).secret).toBe(secret);
  });
});

function start(): ChildProcess {
  const script = fileURLToPath(new URL('children/deliverer.mjs', import.meta.url));
  return spawn(process.execPath, [script, directory], { stdio: ['pipe', 'ignore', 'inherit'] });
}

async function kill(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

describe('several processes', () => {
  it('deliver every event in order, and once while none is killed', { timeout: 60_000 }, async () => {
    await addWebhook(store, { url: receiver.url, model: 'm' }, allowed);
    deliver();
    deliver();
    await tag(...Array.from({ length: 30 }, (_, index) => `t${index}`));
    await until('all were told', async () => (await listWebhooks(store))[0]?.behind === 0);
    expect(receiver.received).toHaveLength(30);
    expect(told()).toEqual(Array.from({ length: 30 }, (_, index) => `t${index}`));
  });

  it('lose and reorder nothing when they are killed', { timeout: 60_000 }, async () => {
    await addWebhook(store, { url: receiver.url, model: 'm' }, allowed);
    const tags = Array.from({ length: 90 }, (_, index) => `t${index}`);
    let children = [start(), start()];
    try {
      let sent = 0;
      for (const count of [15, 35, 60]) {
        await tag(...tags.slice(sent, (sent = count + 15)));
        await until(`${count} were told`, () => told().length >= count);
        // Whichever delivers is among those that are killed in the midst of it.
        const [victim, ...others] = children;
        if (victim !== undefined) await kill(victim);
        children = [...others, start()];
      }
      await tag(...tags.slice(sent));
      await until('all were told', () => told().length === tags.length);
    } finally {
      await Promise.all(children.map(kill));
    }
    expect(told()).toEqual(tags);
    expect(receiver.received.length).toBeGreaterThanOrEqual(tags.length);
  });
});
