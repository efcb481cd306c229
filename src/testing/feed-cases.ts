import { expect, it } from 'vitest';
import type { FeedEvent, VersionStore } from '../core/index.js';
import type { StoreSuite } from './describe-version-store.js';
import { freshContents, freshModel } from './drafts.js';

async function readAll(store: VersionStore, after: number, limit: number): Promise<FeedEvent[]> {
  const all: FeedEvent[] = [];
  for (let from = after; ;) {
    const found = await store.readFeed({ after: from, limit });
    const last = found.at(-1);
    if (last === undefined) return all;
    all.push(...found);
    from = last.sequence;
  }
}

async function publish(model: string, store: VersionStore): Promise<void> {
  const { manifest, source } = freshContents();
  await store.publish({ model, manifest }, source);
}

/** The log of what happened to all models. */
export function feedCases(suite: StoreSuite): void {
  it('numbers what happens to all models, once, in order, whoever asks', async () => {
    const store = suite.store();
    const other = (await suite.second()) ?? store;
    const [model, second] = [freshModel(), freshModel()];
    const before = await store.feedEnd();
    await publish(model, store);
    await other.moveAlias({ model, alias: 'a', to: 1, by: 'ann', message: 'first' });
    await publish(second, other);
    await other.annotate({ model, version: 1 }, { addTags: ['x'] });
    const [once, twice] = await Promise.all([readAll(store, before, 2), readAll(other, before, 100)]);
    expect(once).toEqual(twice);
    const mine = once.filter(({ event }) => event.model === model || event.model === second);
    expect(mine.map(({ event }) => [event.model, event.kind])).toEqual([
      [model, 'published'],
      [model, 'alias-moved'],
      [second, 'published'],
      [model, 'annotated'],
    ]);
    expect(mine[1]?.event).toMatchObject({ alias: 'a', to: 1, by: 'ann', message: 'first', at: expect.any(Date) });
    expect((await store.listEvents({ model })).map(({ id }) => id).toSorted()).toEqual(
      mine.flatMap(({ event }) => (event.model === model ? [event.id] : [])).toSorted(),
    );
    const end = await store.feedEnd();
    expect(once.at(-1)?.sequence).toBe(end);
    expect(await store.readFeed({ after: end, limit: 10 })).toEqual([]);
    await store.removeAlias({ model, alias: 'a' });
    expect((await other.readFeed({ after: end, limit: 10 })).map(({ event }) => event.kind)).toEqual(['alias-removed']);
  });

  it('loses and repeats nothing while many write and read', async () => {
    const store = suite.store();
    const other = (await suite.second()) ?? store;
    const model = freshModel();
    const { manifest, source } = freshContents();
    await store.publish({ model, manifest }, source);
    const before = await store.feedEnd();
    const tags = Array.from({ length: 20 }, (_, index) => `t${index}`);
    const seen: FeedEvent[] = [];
    const read = async (): Promise<void> => {
      for (let from = before; seen.length < tags.length;) {
        const found = (await other.readFeed({ after: from, limit: 3 })).filter(({ sequence }) => sequence > from);
        seen.push(...found.filter(({ event }) => event.model === model));
        from = found.at(-1)?.sequence ?? from;
      }
    };
    const write = async (): Promise<void> => {
      for (const [at, tag] of tags.entries()) {
        await (at % 2 === 0 ? store : other).annotate({ model, version: 1 }, { addTags: [tag] });
      }
    };
    await Promise.all([write(), read(), readAll(store, before, 5)]);
    const order = seen.map(({ event }) => (event.kind === 'annotated' ? event.added[0] : event.kind));
    expect(order).toEqual(tags);
  });
}
