import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { runSchedule } from '../soak/run-schedule.js';

it('holds what it promises through random schedules of 4 processes that are killed', { timeout: 60_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'modelkeep-soak-'));
  try {
    const outcome = await runSchedule({ url: pathToFileURL(directory).href, seconds: 6, seed: 1 });
    // Or it has shown nothing.
    expect(outcome.kills).toBeGreaterThan(1);
    expect(outcome.acknowledged.publish).toBeGreaterThan(5);
    expect(outcome.acknowledged.gc).toBeGreaterThan(0);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
