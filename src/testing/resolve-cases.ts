import { expect, it } from 'vitest';
import { manifestDigest, type Selector } from '../core/index.js';
import type { StoreSuite } from './describe-version-store.js';
import { freshContents, freshModel } from './drafts.js';

const latest = { kind: 'latest' } as const;

function selectorCases(suite: StoreSuite): void {
  it('resolves latest, versions, aliases, digests and their prefixes', async () => {
    const store = suite.store();
    const model = freshModel();
    const [one, two] = [freshContents(), freshContents()];
    await store.publish({ model, manifest: one.manifest }, one.source);
    await store.publish({ model, manifest: two.manifest }, two.source);
    await store.moveAlias({ model, alias: 'production', to: 1 });
    const version = async (selector: Selector): Promise<number> => (await store.resolve({ model, selector })).version;
    expect(await version(latest)).toBe(2);
    expect(await version({ kind: 'version', version: 1 })).toBe(1);
    expect(await version({ kind: 'alias', alias: 'production' })).toBe(1);
    const digest = manifestDigest(one.manifest);
    expect(await version({ kind: 'digest', digest })).toBe(1);
    expect(await version({ kind: 'digest', digest: digest.slice(0, 'sha256:'.length + 10) })).toBe(1);
  });

  it('rejects what does not exist with the code for it', async () => {
    const store = suite.store();
    const model = freshModel();
    for (const selector of [latest, { kind: 'version', version: 1 }, { kind: 'alias', alias: 'x' }] as const) {
      await expect(store.resolve({ model, selector })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    }
    const { manifest, source } = freshContents();
    await store.publish({ model, manifest }, source);
    const rejects = async (selector: Selector, code: string): Promise<void> => {
      await expect(store.resolve({ model, selector })).rejects.toMatchObject({ code });
      expect(await store.isCurrent({ model, selector }, 1)).toBe(false);
    };
    await rejects({ kind: 'version', version: 2 }, 'VERSION_NOT_FOUND');
    await rejects({ kind: 'digest', digest: `sha256:${'0'.repeat(64)}` }, 'VERSION_NOT_FOUND');
    await rejects({ kind: 'alias', alias: 'nobody' }, 'ALIAS_NOT_FOUND');
  });

  it('rejects a digest prefix of several versions with INVALID_REFERENCE', async () => {
    const store = suite.store();
    const model = freshModel();
    const { manifest, source } = freshContents();
    await store.publish({ model, manifest }, source);
    const again = await store.publish({ model, manifest, force: true }, source);
    const prefix = manifestDigest(manifest).slice(0, 'sha256:'.length + 8);
    const resolving = store.resolve({ model, selector: { kind: 'digest', digest: prefix } });
    await expect(resolving).rejects.toMatchObject({ code: 'INVALID_REFERENCE' });
    expect(again.record.version).toBe(2);
  });
}

/** What references mean. */
export function resolveCases(suite: StoreSuite): void {
  selectorCases(suite);

  it('knows whether a reference still means a version', async () => {
    const store = suite.store();
    const model = freshModel();
    const alias = { model, selector: { kind: 'alias', alias: 'staging' } } as const;
    expect(await store.isCurrent({ model, selector: latest }, 1)).toBe(false);
    const [one, two] = [freshContents(), freshContents()];
    await store.publish({ model, manifest: one.manifest }, one.source);
    await store.moveAlias({ model, alias: 'staging', to: 1 });
    expect(await store.isCurrent({ model, selector: latest }, 1)).toBe(true);
    await store.publish({ model, manifest: two.manifest }, two.source);
    expect(await store.isCurrent({ model, selector: latest }, 1)).toBe(false);
    expect(await store.isCurrent({ model, selector: latest }, 2)).toBe(true);
    expect(await store.isCurrent(alias, 1)).toBe(true);
    await store.moveAlias({ model, alias: 'staging', to: 2 });
    expect(await store.isCurrent(alias, 1)).toBe(false);
    expect(await store.isCurrent({ model, selector: { kind: 'version', version: 1 } }, 1)).toBe(true);
  });

  it('lists versions by model, then number', async () => {
    const store = suite.store();
    const models = [freshModel(), freshModel()].toSorted();
    for (const model of models.toReversed()) {
      for (let version = 1; version <= 11; version += 1) {
        const { manifest, source } = freshContents();
        await store.publish({ model, manifest }, source);
      }
    }
    const all = (await store.listVersions()).filter(({ model }) => models.includes(model));
    expect(all.map(({ model, version }) => [model, version])).toEqual(
      models.flatMap((model) => Array.from({ length: 11 }, (_, index) => [model, index + 1])),
    );
    expect(await store.listVersions({ model: models[0] ?? '' })).toHaveLength(11);
    expect(await store.listVersions({ model: freshModel() })).toEqual([]);
  });
}
