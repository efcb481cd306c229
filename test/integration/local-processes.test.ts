import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contentSize, distinctPlaces, manifestDigest, type VersionStore } from '../../src/core/index.js';
import { openLocalStore } from '../../src/stores/index.js';
import { digestsOf, readBack } from '../../src/testing/index.js';
import { seededContents } from './children/seeded-contents.mjs';
import { startPublisher, type PublisherProcess } from './publisher-process.js';

let directory = '';
let started: PublisherProcess[] = [];

beforeEach(async () => {
  started = [];
  directory = await mkdtemp(join(tmpdir(), 'modelkeep-processes-'));
});

afterEach(async () => {
  for (const { child } of started) child.kill('SIGKILL');
  await Promise.all(started.map(({ ended }) => ended));
  await rm(directory, { recursive: true, force: true });
});

function start(...asked: Parameters<typeof startPublisher>): PublisherProcess {
  const publisher = startPublisher(...asked);
  started.push(publisher);
  return publisher;
}

describe('publishers in three processes at once', () => {
  it('give consecutive numbers, each once, to whole versions', { timeout: 60_000 }, async () => {
    const publishers = ['x', 'y', 'z'].map((seed) => start({ directory, model: 'm', seed, count: 10 }));
    await Promise.all(publishers.map(({ opened }) => opened));
    for (const publisher of publishers) publisher.go();
    const ends = await Promise.all(publishers.map(({ ended }) => ended));
    expect(ends).toEqual(ends.map(() => ({ signal: null, code: 0, stderr: '' })));
    const made = publishers.flatMap(({ said }) => said.filter(({ version }) => version !== undefined));
    const numbers = made.map(({ version }) => version ?? 0).toSorted((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    await using store = await openLocalStore({ directory });
    const records = await store.listVersions();
    expect(records.map(({ version }) => version)).toEqual(numbers);
    const seeds = new Map(made.map(({ version, seed = '' }) => [version, seed]));
    for (const record of records) {
      const contents = seededContents(seeds.get(record.version) ?? '');
      expect(record.digest).toBe(manifestDigest(contents.manifest));
      expect(await readBack(store, record)).toEqual(digestsOf(contents.files));
    }
  });
});

/** Bytes of the contents of `seed` that lie in the store. */
async function storedBytes(store: VersionStore, seed: string): Promise<number> {
  let bytes = 0;
  for (const place of distinctPlaces(seededContents(seed).manifest)) {
    if ((await store.segmentFile?.(place)) !== undefined) bytes += place.size;
  }
  return bytes;
}

/** Starts a publisher, kills it when it has said `sayings` lines of its work, and gives the seed it was at. */
async function killedPublisher(round: number, sayings: number): Promise<string> {
  let heard = 0;
  const publisher = start({ directory, model: 'm', seed: String(round), count: 1_000 }, ({ open }) => {
    if (open === true) return;
    heard += 1;
    if (heard === sayings) publisher.child.kill('SIGKILL');
  });
  await publisher.opened;
  publisher.go();
  expect((await publisher.ended).signal).toBe('SIGKILL');
  return publisher.said.findLast(({ begin }) => begin !== undefined)?.begin ?? '';
}

describe('a publisher that is killed', () => {
  const ROUNDS = 56;

  it('leaves whole versions only, and what it stored is used by the next', { timeout: 120_000 }, async () => {
    const expected = new Map<string, string>();
    let resumed = 0;
    let completed = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      // Its first version takes 11 lines: begin, 9 of progress, the version; 28 reach into the third.
      const seed = await killedPublisher(round, 1 + (round % 28));
      await using store = await openLocalStore({ directory });
      expect(await readdir(join(directory, 'partial'))).toEqual([]);
      const before = await store.listVersions();
      expect(before.map(({ version }) => version)).toEqual(before.map((_, index) => index + 1));
      const { manifest, source } = seededContents(seed);
      const stored = await storedBytes(store, seed);
      const visible = before.some(({ digest }) => digest === manifestDigest(manifest));
      expect(visible && stored < contentSize(manifest)).toBe(false);
      const next = await store.publish({ model: 'm', manifest }, source);
      expect(next).toMatchObject({ created: !visible, reusedBytes: stored });
      expect(next.sentBytes).toBe(contentSize(manifest) - stored);
      if (stored > 0 && next.sentBytes > 0) resumed += 1;
      if (visible) completed += 1;
      for (let index = 0; index <= Number(seed.split('-')[1]); index += 1) {
        const contents = seededContents(`${round}-${index}`);
        expected.set(manifestDigest(contents.manifest), JSON.stringify(digestsOf(contents.files)));
      }
    }
    await using store = await openLocalStore({ directory });
    const records = await store.listVersions();
    expect(records.length).toBeGreaterThanOrEqual(ROUNDS);
    for (const record of records) {
      expect(JSON.stringify(await readBack(store, record))).toBe(expected.get(record.digest ?? ''));
    }
    expect(records.length).toBe(expected.size);
    // Kills at all these points have hit unfinished publishes, or this test has shown nothing.
    expect(resumed).toBeGreaterThan(10);
    expect(completed).toBeLessThan(ROUNDS);
  });
});
