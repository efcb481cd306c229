import { chmod, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SegmentPlace } from '../../src/core/index.js';
import { openLocalStore } from '../../src/stores/local/open.js';
import { describeVersionStore, type SegmentDamage } from '../../src/testing/index.js';

async function damageFile(file: string, place: SegmentPlace, how: SegmentDamage): Promise<void> {
  await chmod(file, 0o600);
  if (how === 'removed') return rm(file);
  if (how === 'truncated') return truncate(file, place.size - 1);
  const bytes = await readFile(file);
  bytes.writeUInt8(bytes.readUInt8(place.size >> 1) ^ 1, place.size >> 1);
  await writeFile(file, bytes);
}

describeVersionStore('local', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'modelkeep-local-'));
  const store = await openLocalStore({ directory });
  return {
    store,
    reopen: () => openLocalStore({ directory }),
    damage: async (_record, place, how) => damageFile((await store.segmentFile?.(place)) ?? '', place, how),
    cleanup: () => rm(directory, { recursive: true, force: true }),
  };
});
