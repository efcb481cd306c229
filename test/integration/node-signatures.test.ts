import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  listSignatures,
  newSigningKey,
  parseReference,
  push,
  readPrivateKey,
  removeSignature,
  sign,
  type Modelkeep,
} from '../../src/app/index.js';
import { until } from '../unit/runners/processes.js';
import { Bench, fixture, recordCalls } from './node-bench.js';

const TEXT = 'Absolutely wonderful, I loved every minute of it!';
const trusted = newSigningKey();
const other = newSigningKey();
let bench: Bench;
let keyFile = '';

beforeEach(async () => {
  bench = await Bench.open();
  keyFile = join(bench.folder, 'release.pem.pub');
  await writeFile(keyFile, trusted.publicKey);
});
afterEach(() => bench.close());

const publish = (name: 'v2' | 'v3-head' | 'v4-bad') => push(bench.store, fixture(name), { name: 'sentiment' });
const signWith = ({ privateKey }: typeof trusted, reference: string) =>
  sign(bench.store, parseReference(reference), readPrivateKey(privateKey, 'key'), { by: 'ann' });
const answers = async (keep: Modelkeep) => (await keep.predict('sentiment', TEXT)).record.version;

it('loads signed versions only, before a byte of others is fetched, and serves the old one on', async () => {
  await publish('v2');
  const { store, segments } = recordCalls(bench.store);
  // Without files of this machine, so that everything that is fetched is read.
  const node = () => bench.node({ store, requireSignature: [keyFile], runners: 1 });
  const keep = await node();
  await expect(keep.load('sentiment')).rejects.toMatchObject({ code: 'GATE_FAILED' });
  await signWith(other, 'sentiment:1');
  const second = await node();
  await expect(second.load('sentiment')).rejects.toMatchObject({ code: 'GATE_FAILED' });
  expect(segments).toEqual([]);
  await signWith(trusted, 'sentiment:1');
  const third = await node();
  expect(await answers(third)).toBe(1);
  const failures: string[] = [];
  third.parts.follower.on('swap-failed', (_, { code }) => failures.push(code));
  const fetched: number[] = [];
  third.parts.residency.on('fetched', ({ version }) => fetched.push(version));
  await publish('v4-bad');
  await until('the unsigned version was refused', () => failures.length > 0);
  expect([failures[0], await answers(third), fetched]).toEqual(['GATE_FAILED', 1, []]);
  await publish('v3-head');
  await signWith(trusted, 'sentiment:3');
  await until('the signed version answers', async () => (await answers(third)) === 3);
  expect(fetched).toEqual([3]);
});

it('takes no signature of another version, model or store for that of a version', async () => {
  await publish('v2');
  await publish('v3-head');
  await signWith(trusted, 'sentiment:1');
  const [one, two] = await bench.store.listVersions();
  if (one === undefined || two === undefined) throw new Error('two versions were published');
  const [signature] = await listSignatures(bench.store, one);
  const value = { envelope: signature?.envelope, signedAt: new Date().toISOString() };
  await bench.store.writeEntry({ kind: 'signature', key: `${two.id}/${trusted.keyId}`, value });
  const { record: renamed } = await push(bench.store, fixture('v2'), { name: 'toxicity' });
  await bench.store.writeEntry({ kind: 'signature', key: `${renamed.id}/${trusted.keyId}`, value });
  const keep = await bench.node({ requireSignature: [keyFile], runners: 1 });
  await expect(keep.load('sentiment:2')).rejects.toMatchObject({ code: 'GATE_FAILED' });
  await expect(keep.load('toxicity')).rejects.toMatchObject({ code: 'GATE_FAILED' });
  await expect(keep.load('sentiment:1')).resolves.toMatchObject({ version: 1 });
});

it('keeps several signatures, tells them in the history, and removes them', async () => {
  await publish('v2');
  const [record] = await bench.store.listVersions();
  if (record === undefined) throw new Error('a version was published');
  for (const key of [trusted, other, trusted]) await signWith(key, 'sentiment');
  const ids = (await listSignatures(bench.store, record)).map(({ keyId }) => keyId);
  expect(ids.toSorted()).toEqual([trusted.keyId, other.keyId].toSorted());
  await removeSignature(bench.store, parseReference('sentiment'), other.keyId, { by: 'bob' });
  const again = removeSignature(bench.store, parseReference('sentiment'), other.keyId);
  await expect(again).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  expect((await bench.store.listEvents({ model: 'sentiment' })).map(({ kind }) => kind)).toEqual([
    'signature-removed',
    'signed',
    'signed',
    'signed',
    'published',
  ]);
});

it('starts with no key file that cannot be used', async () => {
  const missing = bench.node({ requireSignature: [join(bench.folder, 'nothing.pem')] });
  await expect(missing).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  await writeFile(keyFile, 'no key');
  await expect(bench.node({ requireSignature: [keyFile] })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
});

it('forgets the signatures of versions that are gone, and keeps the others', async () => {
  await publish('v2');
  await publish('v3-head');
  const { registry } = await bench.node({ runners: 1 });
  for (const reference of ['sentiment:1', 'sentiment:2']) await registry.sign(reference, trusted.privateKey);
  await expect(registry.verifySignature('sentiment:1', trusted.publicKey)).resolves.toMatchObject({
    keyId: trusted.keyId,
  });
  await expect(registry.verifySignature('sentiment:1', other.publicKey)).rejects.toMatchObject({ code: 'GATE_FAILED' });
  await registry.setState('sentiment:1', 'deleted');
  const signatures = () => bench.store.listEntries({ kind: 'signature' });
  await registry.collectGarbage();
  // It can still be restored.
  expect(await signatures()).toHaveLength(2);
  await until('the version is collected', async () => {
    await registry.collectGarbage({ graceMs: 1_000 });
    return (await signatures()).length === 1;
  });
  await expect(registry.verifySignature('sentiment:2', trusted.publicKey)).resolves.toMatchObject({});
  expect((await registry.list({ where: 'version = 2' })).map(({ version }) => version)).toEqual([2]);
});
