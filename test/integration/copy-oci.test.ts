import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Ajv } from 'ajv';
import { create } from 'tar';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, parseReference, type ContentSource, type VersionStore } from '../../src/core/index.js';
import { copy, exportOci, importOci, push } from '../../src/registry/index.js';
import { openMemoryStore, openStore } from '../../src/stores/index.js';
import { contentsOf, digestsOf, freshContents, readBack } from '../../src/testing/index.js';
import { MANIFEST, INDEX, LAYOUT, MODEL_CONFIG } from './oci-schemas.js';

const SENTIMENT = resolve('test/fixtures/sentiment');

let store: VersionStore;
let folder: string;
beforeEach(async () => {
  store = await openMemoryStore();
  folder = await mkdtemp(join(tmpdir(), 'modelkeep-oci-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (text: string) => parseReference(text);
const json = async (...path: string[]): Promise<unknown> => JSON.parse(await readFile(join(folder, ...path), 'utf8'));
const blob = (digest: string): string => join('blobs', 'sha256', digest.slice('sha256:'.length));

const split = (first: number, second: number) =>
  ({
    kind: 'split',
    shares: [
      { version: first, percent: 90 },
      { version: second, percent: 10 },
    ],
  }) as const;

describe('copy', () => {
  it('copies a model with numbers, states, aliases and history, and sends what is missing only', async () => {
    const trunk = randomBytes(1_000);
    for (let count = 0; count < 3; count += 1) {
      const made = contentsOf({ 'head.bin': randomBytes(100), 'trunk.bin': trunk });
      await store.publish(
        { model: 'm', manifest: made.manifest, message: `v${count}`, metadata: { count } },
        made.source,
      );
    }
    await store.moveAlias({ model: 'm', alias: 'p', to: 1, by: 'ann', message: 'first' });
    await store.moveAlias({ model: 'm', alias: 'p', to: 3 });
    await store.setState('m', 2, 'deleted');
    await store.setState('m', 1, 'archived');
    const other = await openStore(join(folder, 'store'));
    try {
      const copied = await copy(store, other, at('m'), { withAliases: true, withHistory: true, by: 'me' });
      expect(copied.versions.map(({ record, sentBytes }) => [record.version, record.state, sentBytes])).toEqual([
        [1, 'archived', 1_100],
        [3, 'ready', 100],
      ]);
      expect(copied.aliases).toMatchObject([{ alias: 'p', version: 3 }]);
      for (const record of await store.listVersions({ model: 'm' })) {
        const same = await other.resolve(at(`m:${record.version}`));
        expect(same).toMatchObject({
          digest: record.digest,
          publishedAt: record.publishedAt,
          metadata: record.metadata,
        });
        expect(await readBack(other, same)).toEqual(await readBack(store, record));
      }
      const events = await other.listEvents({ model: 'm' });
      expect(events.findLast(({ kind }) => kind === 'alias-moved')).toMatchObject({
        to: 1,
        by: 'ann',
        message: 'first',
      });
      const again = await copy(store, other, at('m'), { withAliases: true, withHistory: true });
      expect(again.versions.map(({ created }) => created)).toEqual([false, false]);
      expect(again.events).toBe(0);
      // The next version of that model there is a new one.
      const next = freshContents();
      expect((await other.publish({ model: 'm', manifest: next.manifest }, next.source)).record.version).toBe(4);
    } finally {
      await other.close();
    }
  });

  it('brings along what guards and splits an alias, under the numbers there, and does it once', async () => {
    const other = await openMemoryStore();
    const taken = freshContents();
    await other.publish({ model: 'm', manifest: taken.manifest }, taken.source);
    for (let count = 0; count < 3; count += 1) {
      const made = freshContents();
      await store.publish({ model: 'm', manifest: made.manifest }, made.source);
    }
    const policy = { protected: true, gates: { maxDrop: 0.02 }, autoRollback: { withinMs: 1_000, maxErrorRate: 0.1 } };
    await store.moveAlias({ model: 'm', alias: 'p', to: 1 });
    await store.changeAlias({ model: 'm', alias: 'p', policy, traffic: split(1, 2) });
    await store.moveAlias({ model: 'm', alias: 's', to: 2 });
    await store.changeAlias({ model: 'm', alias: 's', traffic: { kind: 'shadow', version: 3 } });
    const options = { withAliases: true, withHistory: true };
    const { versions, aliases, events } = await copy(store, other, at('m'), options);
    const numbers = versions.map(({ record }) => record.version);
    expect(numbers).toEqual([2, 3, 4]);
    expect(aliases).toMatchObject([
      { alias: 'p', version: 2, policy, traffic: split(2, 3) },
      { alias: 's', version: 3, traffic: { kind: 'shadow', version: 4 } },
    ]);
    expect(await other.listAliases({ model: 'm' })).toEqual(aliases);
    expect(events).toBe(5);
    const told = await other.listEvents({ model: 'm' });
    // Once as it happened there, and once as what the copy did.
    expect(told.filter((one) => one.kind === 'alias-traffic' && one.alias === 'p')).toMatchObject([
      { traffic: split(2, 3), message: 'copied from memory:' },
      { traffic: split(2, 3) },
    ]);
    const again = await copy(store, other, at('m'), options);
    expect([again.aliases, again.events]).toEqual([aliases, 0]);
    // A version of the split that is not copied: the alias points at its own version alone.
    const third = await openMemoryStore();
    expect((await copy(store, third, at('m:1'), { withAliases: true })).aliases).toMatchObject([
      { alias: 'p', policy },
    ]);
    expect((await third.listAliases())[0]?.traffic).toBeUndefined();
  });

  it('gives another number where its own is taken, and goes on where it was cut off', async () => {
    const made = contentsOf({ 'a.bin': randomBytes(1_000) }, { segmentBytes: 250 });
    const { record } = await store.publish({ model: 'm', manifest: made.manifest }, made.source);
    const other = await openMemoryStore();
    const there = freshContents();
    await other.publish({ model: 'm', manifest: there.manifest }, there.source);
    const stop = new AbortController();
    const cut = copy(store, other, at('m:1'), {
      signal: stop.signal,
      onProgress: (_, { doneBytes }) => doneBytes >= 500 && stop.abort(),
    });
    await expect(cut).rejects.toMatchObject({ code: 'CANCELLED' });
    const [copied] = (await copy(store, other, at('m:1'))).versions;
    expect(copied).toMatchObject({ created: true, record: { version: 2, digest: record.digest } });
    expect(copied?.reusedBytes).toBeGreaterThanOrEqual(250);
    expect((await copy(store, other, at('m:1'))).versions).toMatchObject([{ created: false, record: { version: 2 } }]);
    await expect(copy(store, other, at('m:9'))).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
  });
});

describe('OCI image layouts', () => {
  const ajv = new Ajv({ strict: true, allErrors: true });
  const check = (schema: object, value: unknown): void => {
    const validate = ajv.compile(schema);
    validate(value);
    expect(validate.errors).toBeNull();
  };

  it.each(['layout', 'layout.tar'])('come back byte for byte, with the same digest: %s', async (name) => {
    const { record } = await push(store, join(SENTIMENT, 'v2'), {
      name: 'sentiment',
      message: 'why',
      metadata: { f1: 0.9 },
    });
    const exported = await exportOci(store, at('sentiment:1'), join(folder, name));
    expect(exported).toMatchObject({ path: join(folder, name), refName: 'sentiment-1', bytes: record.size });
    expect((await readdir(folder)).toSorted()).toEqual([name]);
    const other = await openMemoryStore();
    const imported = await importOci(other, join(folder, name));
    expect(imported.record).toMatchObject({
      model: 'sentiment',
      digest: record.digest,
      message: 'why',
      metadata: record.metadata,
    });
    expect(await readBack(other, imported.record)).toEqual(await readBack(store, record));
  });

  it('are valid by the OCI image specification and by ModelPack, every blob what its digest says', async () => {
    await push(store, join(SENTIMENT, 'v2'), { name: 'acme/sentiment' });
    await push(store, join(SENTIMENT, 'v3-head'), { name: 'acme/sentiment' });
    for (const version of [1, 2]) await exportOci(store, at(`acme/sentiment:${version}`), folder);
    check(LAYOUT, await json('oci-layout'));
    const index = (await json('index.json')) as { manifests: Described[] };
    check(INDEX, index);
    expect(index.manifests.map(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'])).toEqual([
      'acme-sentiment-1',
      'acme-sentiment-2',
    ]);
    for (const { digest } of index.manifests) {
      const manifest = (await json(blob(digest))) as { config: Described; layers: Described[]; artifactType: string };
      check(MANIFEST, manifest);
      expect(manifest.artifactType).toBe('application/vnd.cncf.model.manifest.v1+json');
      check(MODEL_CONFIG, await json(blob(manifest.config.digest)));
      const weights = manifest.layers.find(
        ({ annotations }) => annotations?.['org.cncf.model.filepath'] === 'model.safetensors',
      );
      expect(weights?.mediaType).toBe('application/vnd.cncf.model.weight.v1.raw');
      for (const { digest: own, size } of [manifest.config, ...manifest.layers]) {
        const bytes = await readFile(join(folder, blob(own)));
        expect([digestOf(bytes), bytes.length]).toEqual([own, size]);
      }
    }
    await expect(importOci(await openMemoryStore(), folder)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    const other = await openMemoryStore();
    expect((await importOci(other, folder, { refName: 'acme-sentiment-2', name: 'mine' })).record.model).toBe('mine');
  });

  it('of other software are read like a directory of their files', async () => {
    await push(store, join(SENTIMENT, 'v2'), { name: 'sentiment' });
    await exportOci(store, at('sentiment'), folder);
    const index = (await json('index.json')) as { manifests: [Described] };
    const manifest = (await json(blob(index.manifests[0].digest))) as { layers: Described[] };
    const layers = manifest.layers.filter(
      ({ annotations }) => !annotations?.['org.cncf.model.filepath']?.startsWith('.modelkeep'),
    );
    const changed = Buffer.from(JSON.stringify({ ...manifest, layers }));
    await writeFile(join(folder, blob(digestOf(changed))), changed);
    const descriptor = { ...index.manifests[0], digest: digestOf(changed), size: changed.length };
    await writeFile(join(folder, 'index.json'), JSON.stringify({ ...index, manifests: [descriptor] }));
    const other = await openMemoryStore();
    const { record } = await importOci(other, folder);
    expect(record).toMatchObject({ model: 'sentiment', task: 'text-classification' });
    expect(await readBack(other, record)).toEqual(await readBack(store, await store.resolve(at('sentiment'))));
  });

  it('that are damaged, hostile or none are refused, and nothing is published', async () => {
    const made = contentsOf({ 'a.bin': randomBytes(500) });
    await store.publish({ model: 'm', manifest: made.manifest }, made.source);
    await exportOci(store, at('m'), folder);
    const other = await openMemoryStore();
    const rejects = async (path: string, code: string): Promise<void> => {
      await expect(importOci(other, path)).rejects.toMatchObject({ code });
      expect(await other.listVersions()).toEqual([]);
    };
    await rejects(join(folder, 'nowhere'), 'INVALID_ARTIFACT');
    const data = join(folder, blob(digestOf(made.files['a.bin'] ?? '')));
    const good = await readFile(data);
    await writeFile(data, Buffer.concat([good.subarray(0, -1), Buffer.from([(good.at(-1) ?? 0) ^ 1])]));
    await rejects(folder, 'DIGEST_MISMATCH');
    await writeFile(data, good);
    const index = (await json('index.json')) as { manifests: [Described] };
    await writeFile(
      join(folder, 'index.json'),
      JSON.stringify({ ...index, manifests: [{ ...index.manifests[0], digest: 'sha256:../../etc/passwd' }] }),
    );
    await rejects(folder, 'INVALID_ARTIFACT');
    await writeFile(join(folder, 'index.json'), '{');
    await rejects(folder, 'INVALID_ARTIFACT');
    const evil = join(folder, 'evil');
    await mkdir(evil);
    await symlink('/etc', join(evil, 'blobs'));
    await create({ file: join(folder, 'evil.tar'), cwd: evil }, ['blobs']);
    await rejects(join(folder, 'evil.tar'), 'INVALID_ARTIFACT');
    await writeFile(join(folder, 'not.tar'), randomBytes(2_000));
    await rejects(join(folder, 'not.tar'), 'INVALID_ARTIFACT');
    expect((await readdir(folder)).filter((name) => name.startsWith('.tar-'))).toEqual([]);
  });

  it('fail to be written when the store’s bytes are damaged, without a half version in the index', async () => {
    const made = contentsOf({ 'a.bin': randomBytes(500) });
    await store.publish({ model: 'm', manifest: made.manifest }, made.source);
    const damaged: VersionStore = {
      ...store,
      readSegment: (_record, place) => wrong.open(place.path, { start: 0, end: place.size }),
    };
    await expect(exportOci(damaged, at('m'), folder)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    expect(await readdir(join(folder, 'blobs', 'sha256'))).toEqual([]);
    const { record } = await exportOci(store, at('m'), folder);
    expect(digestsOf(made.files)).toEqual(await readBack(store, record));
  });
});

interface Described {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A store whose bytes are those of nobody. */
const wrong: ContentSource = {
  async *open(_path, { start, end }) {
    yield await Promise.resolve(Buffer.alloc(end - start));
    const { ModelkeepError } = await import('../../src/core/index.js');
    throw new ModelkeepError('DIGEST_MISMATCH', 'altered');
  },
};
