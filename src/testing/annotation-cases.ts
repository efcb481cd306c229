import { expect, it } from 'vitest';
import { parseWhere, type VersionDraft, type VersionStore } from '../core/index.js';
import type { StoreSuite } from './describe-version-store.js';
import { freshContents, freshModel } from './drafts.js';

async function publishOne(store: VersionStore, draft: Omit<VersionDraft, 'manifest'>): Promise<void> {
  const { manifest, source } = freshContents();
  await store.publish({ ...draft, manifest }, source);
}

/** Metadata, tags and annotations. */
export function annotationCases(suite: StoreSuite): void {
  it('gives metadata and tags back as they were given', async () => {
    const store = suite.store();
    const model = freshModel();
    const metadata = { at: '2020-01-01T00:00:00.000Z', deep: { list: [1, 2.5, null, { x: 'é' }] }, no: false, '€': '' };
    await publishOne(store, { model, metadata, tags: ['b', 'a', 'b'] });
    const [record] = await store.listVersions({ model });
    expect(record).toMatchObject({ metadata, tags: ['a', 'b'] });
    expect(record?.annotations).toBeUndefined();
  });

  it.each([
    ['2 MB', { text: 'x'.repeat(2_000_000) }],
    ['a key with a dot', { 'a.b': 1 }],
    ['a key with a dollar', { deep: [{ $where: 'sleep(1000)' }] }],
    ['an empty key', { '': 1 }],
    ['not a number', { x: Number.NaN }],
    ['40 levels', Array.from({ length: 40 }).reduce<object>((inner) => ({ inner }), {})],
  ])('refuses metadata with %s, and stores nothing', async (_, metadata) => {
    const store = suite.store();
    const model = freshModel();
    const bad = { model, metadata: metadata as Record<string, unknown> };
    await expect(publishOne(store, bad)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(publishOne(store, { model, tags: ['has blank'] })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(await store.listVersions({ model })).toEqual([]);
  });

  it('changes tags and annotations beside what is immutable, and records it', async () => {
    const store = suite.store();
    const other = (await suite.second()) ?? store;
    const model = freshModel();
    await publishOne(store, { model, tags: ['old'], metadata: { epoch: 3 } });
    const target = { model, version: 1 };
    const changed = await store.annotate(
      target,
      { addTags: ['prod', 'new'], removeTags: ['old', 'never'], annotations: { owner: 'ann', at: '2020-01-01', n: 1 } },
      { by: 'bob', message: 'why' },
    );
    expect(changed).toMatchObject({ tags: ['new', 'prod'], annotations: { owner: 'ann', at: '2020-01-01', n: 1 } });
    await other.annotate(target, { annotations: { n: null }, addTags: ['prod'] });
    await other.annotate(target, { addTags: ['prod'] });
    const [record] = await other.listVersions({ model });
    expect(record).toMatchObject({ tags: ['new', 'prod'], metadata: { epoch: 3 } });
    expect(record?.annotations).toEqual({ owner: 'ann', at: '2020-01-01' });
    expect(await store.listEvents({ model })).toMatchObject([
      { kind: 'annotated', version: 1, added: [], removed: ['n='] },
      { kind: 'annotated', added: ['new', 'prod', 'owner=', 'at=', 'n='], removed: ['old'], by: 'bob', message: 'why' },
      { kind: 'published' },
    ]);
  });

  it('loses no change of many at once, and refuses what is malformed', async () => {
    const store = suite.store();
    const other = (await suite.second()) ?? store;
    const model = freshModel();
    await publishOne(store, { model });
    const target = { model, version: 1 };
    const tags = Array.from({ length: 12 }, (_, index) => `t${String(index).padStart(2, '0')}`);
    await Promise.all(tags.map((tag, at) => (at % 2 === 0 ? store : other).annotate(target, { addTags: [tag] })));
    expect((await store.listVersions({ model }))[0]?.tags).toEqual(tags);
    const invalid = { code: 'INVALID_INPUT' };
    await expect(store.annotate(target, { addTags: ['$bad'] })).rejects.toMatchObject(invalid);
    await expect(store.annotate(target, { annotations: { 'a.b': 1 } })).rejects.toMatchObject(invalid);
    const many = Array.from({ length: 101 }, (_, index) => `m${index}`);
    await expect(store.annotate(target, { addTags: many })).rejects.toMatchObject(invalid);
    await expect(store.annotate({ model, version: 2 }, {})).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    expect((await store.listVersions({ model }))[0]?.tags).toEqual(tags);
  });
}

const WHERE: readonly (readonly [string, readonly number[]])[] = [
  ['metadata.epoch >= 3', [2, 3]],
  ['metadata.epoch>=3 and tag=prod', [2]],
  ['metadata.epoch < 3 or tag = prod', [1, 2]],
  ['not tag = prod', [1, 3]],
  ['tag != prod', [1, 3]],
  ['not (metadata.epoch = 1 or metadata.epoch = 2)', [2, 3]],
  ['metadata.epoch in (1, 3)', [1, 2]],
  ['metadata.note exists', [2]],
  ['not metadata.note exists', [1, 3]],
  ['metadata.note = null', [1, 3]],
  ['metadata.note ~ "50% (a+b)*"', [2]],
  ['message ~ REVIEWS', [1]],
  ['text ~ reviews', [1, 3]],
  ['not text ~ reviews', [2]],
  ['metadata.langs = de', [3]],
  ['metadata.runs.loss < 0.2', [3]],
  ['metadata."learning rate" = 0.1', [1]],
  ['metadata.epoch = "3"', []],
  ['training.step > 10', [1]],
  ['version >= 2 and state = ready and by = ann', [2]],
  ['annotations.owner = "o\'neil"', [3]],
  ['published > 2020-01-01 and published < 2999-01-01', [1, 2, 3]],
  ['metadata.constructor exists', []],
];

/** Searching. */
export function whereCases(suite: StoreSuite): void {
  it('finds the versions that meet a condition', async () => {
    const store = suite.store();
    const model = freshModel();
    const first = { epoch: 1, 'learning rate': 0.1, training: { step: 20 } };
    await publishOne(store, { model, message: 'on reviews', metadata: first });
    const second = { epoch: 3, note: 'at 50% (A+B)*' };
    await publishOne(store, { model, tags: ['prod'], publishedBy: 'ann', metadata: second });
    const third = { epoch: 4.5, langs: ['en', 'de'], runs: [{ loss: 0.5 }, { loss: 0.1 }], of: { a: ['Reviews'] } };
    await publishOne(store, { model, metadata: third });
    await store.annotate({ model, version: 3 }, { annotations: { owner: "o'neil" } });
    await publishOne(store, { model: freshModel(), metadata: second });
    const found: Record<string, number[]> = {};
    for (const [text] of WHERE) {
      const records = await store.listVersions({ model, where: parseWhere(text) });
      found[text] = records.map(({ version }) => version);
    }
    expect(found).toEqual(Object.fromEntries(WHERE));
  });
}
