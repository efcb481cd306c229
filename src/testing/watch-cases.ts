import { randomUUID } from 'node:crypto';
import { expect, it, vi } from 'vitest';
import type { StoreSuite } from './describe-version-store.js';
import { freshContents, freshModel } from './drafts.js';

/** Changes become known. */
export function watchCases(suite: StoreSuite): void {
  it('sees a publish and an alias move of another handle, and nothing after it is closed', async () => {
    const store = suite.store();
    const other = (await suite.second()) ?? store;
    const model = freshModel();
    const onChange = vi.fn<(model: string) => void>();
    const watch = await store.watch({ models: () => [model], onChange });
    const told = (): Promise<void> =>
      vi.waitFor(() => expect(onChange).toHaveBeenCalledWith(model), { timeout: 10_000, interval: 10 });
    const { manifest, source } = freshContents();
    await other.publish({ model, manifest }, source);
    await told();
    expect((await store.resolve({ model, selector: { kind: 'latest' } })).version).toBe(1);
    onChange.mockClear();
    await other.moveAlias({ model, alias: 'production', to: 1 });
    await told();
    await Promise.all([watch.close(), watch.close()]);
    onChange.mockClear();
    const sentinel = vi.fn<(model: string) => void>();
    const later = await store.watch({ models: () => [model], onChange: sentinel });
    await other.removeAlias({ model, alias: 'production' });
    await vi.waitFor(() => expect(sentinel).toHaveBeenCalledWith(model), { timeout: 10_000, interval: 10 });
    await later.close();
    expect(onChange).not.toHaveBeenCalled();
  });
}

/** Heartbeats of nodes. */
export function nodeCases(suite: StoreSuite): void {
  it('lists the nodes that reported lately, each once', async () => {
    const store = suite.store();
    const [stays, leaves] = [randomUUID(), randomUUID()];
    const at = new Date(1_700_000_000_000);
    const report = { host: 'h', pid: 1, startedAt: at, holds: [], follows: [] };
    const holds = [{ model: 'm', version: 2, state: 'ready', since: at }];
    await store.reportNode({ ...report, node: leaves }, { ttlMs: 1 });
    await store.reportNode({ ...report, node: stays }, { ttlMs: 600_000 });
    await store.reportNode({ ...report, node: stays, holds }, { ttlMs: 600_000 });
    await vi.waitFor(
      async () => {
        const nodes = (await store.listNodes()).filter(({ node }) => node === stays || node === leaves);
        expect(nodes).toMatchObject([{ node: stays, host: 'h', startedAt: at, holds }]);
        expect(nodes[0]?.seenAt).toBeInstanceOf(Date);
      },
      { timeout: 10_000, interval: 20 },
    );
  });
}
