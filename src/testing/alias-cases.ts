import { expect, it } from 'vitest';
import type { VersionStore } from '../core/index.js';
import type { StoreSuite } from './describe-version-store.js';
import { freshContents, freshModel } from './drafts.js';

async function publishTwo(store: VersionStore): Promise<string> {
  const model = freshModel();
  for (let count = 0; count < 2; count += 1) {
    const { manifest, source } = freshContents();
    await store.publish({ model, manifest }, source);
  }
  return model;
}

function moveCases(suite: StoreSuite): void {
  it('moves aliases by compare-and-set, with one winner of a race', async () => {
    const store = suite.store();
    const other = (await suite.second()) ?? store;
    const model = await publishTwo(store);
    const made = await store.moveAlias({ model, alias: 'production', to: 1, expect: null });
    expect(made).toMatchObject({ model, alias: 'production', version: 1, revision: 1 });
    expect(made.from).toBeUndefined();
    const conflict = { code: 'ALIAS_CONFLICT' };
    await expect(store.moveAlias({ model, alias: 'production', to: 2, expect: null })).rejects.toMatchObject(conflict);
    await expect(store.moveAlias({ model, alias: 'production', to: 2, expect: 2 })).rejects.toMatchObject(conflict);
    await expect(store.moveAlias({ model, alias: 'absent', to: 2, expect: 1 })).rejects.toMatchObject(conflict);
    const race = await Promise.allSettled(
      [store, other, store, other].map((racer) => racer.moveAlias({ model, alias: 'production', to: 2, expect: 1 })),
    );
    const won = race.filter(({ status }) => status === 'fulfilled');
    expect(won).toHaveLength(1);
    const [alias, more] = await store.listAliases({ model });
    expect(alias).toEqual({
      model,
      alias: 'production',
      version: 2,
      revision: 2,
      moved: { at: expect.any(Date), from: 1 },
    });
    expect(more).toBeUndefined();
  });

  it('rejects moves to what is not there, and malformed aliases', async () => {
    const store = suite.store();
    const model = await publishTwo(store);
    const reject = async (move: { model: string; alias: string; to: number }, code: string): Promise<void> => {
      await expect(store.moveAlias(move)).rejects.toMatchObject({ code });
    };
    await reject({ model: freshModel(), alias: 'a', to: 1 }, 'MODEL_NOT_FOUND');
    await reject({ model, alias: 'a', to: 3 }, 'VERSION_NOT_FOUND');
    await reject({ model, alias: 'latest', to: 1 }, 'INVALID_REFERENCE');
    await reject({ model, alias: 'Not/One', to: 1 }, 'INVALID_REFERENCE');
    expect(await store.listAliases({ model })).toEqual([]);
  });

  it('removes an alias if it points where expected', async () => {
    const store = suite.store();
    const model = await publishTwo(store);
    await store.moveAlias({ model, alias: 'b', to: 1 });
    await store.moveAlias({ model, alias: 'a', to: 2 });
    expect((await store.listAliases({ model })).map(({ alias }) => alias)).toEqual(['a', 'b']);
    await expect(store.removeAlias({ model, alias: 'a', expect: 1 })).rejects.toMatchObject({ code: 'ALIAS_CONFLICT' });
    await store.removeAlias({ model, alias: 'a', expect: 2 });
    await expect(store.removeAlias({ model, alias: 'a' })).rejects.toMatchObject({ code: 'ALIAS_NOT_FOUND' });
    expect((await store.listAliases({ model })).map(({ alias }) => alias)).toEqual(['b']);
  });
}

/** Aliases and the history of a model. */
export function aliasCases(suite: StoreSuite): void {
  moveCases(suite);

  it('keeps the history of a model, newest first', async () => {
    const store = suite.store();
    const model = await publishTwo(store);
    await store.moveAlias({ model, alias: 'p', to: 1, by: 'ann', message: 'first' });
    await store.moveAlias({ model, alias: 'p', to: 2 });
    await store.removeAlias({ model, alias: 'p', by: 'bob' });
    await store.setState(model, 1, 'archived');
    await store.setState(model, 1, 'ready');
    const events = await store.listEvents({ model });
    expect(events).toMatchObject([
      { kind: 'restored', version: 1 },
      { kind: 'archived', version: 1 },
      { kind: 'alias-removed', alias: 'p', from: 2, by: 'bob' },
      { kind: 'alias-moved', alias: 'p', from: 1, to: 2 },
      { kind: 'alias-moved', alias: 'p', to: 1, by: 'ann', message: 'first' },
      { kind: 'published', version: 2 },
      { kind: 'published', version: 1 },
    ]);
    expect(new Set(events.map(({ id }) => id)).size).toBe(7);
    expect(await store.listEvents({ model, limit: 2 })).toEqual(events.slice(0, 2));
  });
}

/** Archiving and bringing back. */
export function stateCases(suite: StoreSuite): void {
  it('does not count archived versions as latest, and finds them by the other selectors', async () => {
    const store = suite.store();
    const model = await publishTwo(store);
    const latest = { model, selector: { kind: 'latest' } } as const;
    expect(await store.setState(model, 2, 'archived')).toMatchObject({ version: 2, state: 'archived' });
    await store.setState(model, 2, 'archived');
    expect((await store.resolve(latest)).version).toBe(1);
    expect(await store.isCurrent(latest, 2)).toBe(false);
    const found = await store.resolve({ model, selector: { kind: 'version', version: 2 } });
    expect(found.state).toBe('archived');
    await expect(store.moveAlias({ model, alias: 'p', to: 2 })).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    await store.setState(model, 1, 'archived');
    await expect(store.resolve(latest)).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    const next = freshContents();
    expect((await store.publish({ model, manifest: next.manifest }, next.source)).record.version).toBe(3);
  });

  it('refuses to archive a version that an alias points at, or that is not there', async () => {
    const store = suite.store();
    const model = await publishTwo(store);
    await store.moveAlias({ model, alias: 'p', to: 1 });
    await expect(store.setState(model, 1, 'archived')).rejects.toMatchObject({ code: 'ALIAS_CONFLICT' });
    await expect(store.setState(model, 9, 'archived')).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    expect((await store.resolve({ model, selector: { kind: 'version', version: 1 } })).state).toBe('ready');
  });
}
