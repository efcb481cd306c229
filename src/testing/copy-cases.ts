import { expect, it } from 'vitest';
import type { StoreSuite } from './describe-version-store.js';
import { freshContents, freshModel } from './drafts.js';

/** Taking versions and events in that were another store's. */
export function copyCases(suite: StoreSuite): void {
  it('gives a version the number and the time that it asks for, if the number was never given', async () => {
    const store = suite.store();
    const model = freshModel();
    const publishedAt = new Date(1_700_000_000_000);
    const publish = async (version: number) => {
      const made = freshContents();
      const draft = { model, manifest: made.manifest, version, publishedAt };
      return (await store.publish(draft, made.source)).record;
    };
    expect(await publish(3)).toMatchObject({ version: 3, publishedAt });
    expect((await publish(3)).version).toBe(4);
    expect((await publish(1)).version).toBe(1);
    expect((await store.listEvents({ model })).every(({ at }) => at.getTime() === publishedAt.getTime())).toBe(true);
  });

  it('imports events with their times, each once, but those that versions tell', async () => {
    const [store, model] = [suite.store(), freshModel()];
    const made = freshContents();
    await store.publish({ model, manifest: made.manifest }, made.source);
    const at = new Date(1_700_000_000_000);
    const moved = { id: '65a000000000000000000001', at, model, kind: 'alias-moved', alias: 'p', to: 1 } as const;
    const published = { id: '65a000000000000000000002', at, model, kind: 'published', version: 1 } as const;
    expect(await store.importEvents([moved, published])).toBe(1);
    expect(await store.importEvents([moved])).toBe(0);
    const events = await store.listEvents({ model });
    expect(events.filter(({ kind }) => kind === 'alias-moved')).toEqual([moved]);
    expect(events).toHaveLength(2);
  });
}
