import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Modelkeep } from '../../src/app/index.js';
import { nextGone } from '../unit/runners/processes.js';

/** What clients saw while runners were killed. */
export interface KillCounts {
  kills: number;
  answered: number;
  readonly failures: unknown[];
  /** Longest time from the end of a runner to the moment its version was in as many runners as before, in ms. */
  slowestReturnMs: number;
}

const CLIENTS = 8;
/** Longest pause between two kills, in ms. */
const LONGEST_PAUSE_MS = 600;

/**
 * Kills one runner after the other, each at a random moment, while clients ask in closed loops.
 *
 * @param reference a version that is ready
 * @param random gives numbers from 0 to 1
 */
export async function killRunners(
  keep: Modelkeep,
  reference: string,
  seconds: number,
  random: () => number,
): Promise<KillCounts> {
  const counts: KillCounts = { kills: 0, answered: 0, failures: [], slowestReturnMs: 0 };
  const untilMs = performance.now() + 1_000 * seconds;
  const client = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      try {
        await keep.predict(reference, 'Happy coding !!!');
        counts.answered += 1;
      } catch (error) {
        counts.failures.push(error);
      }
    }
  };
  await Promise.all([...Array.from({ length: CLIENTS }, client), killInTurn(keep, untilMs, random, counts)]);
  return counts;
}

async function killInTurn(keep: Modelkeep, untilMs: number, random: () => number, counts: KillCounts): Promise<void> {
  const { pool, residency } = keep.parts;
  while (performance.now() < untilMs) {
    // Not a wait for anything: the random moment is what is tried.
    await delay(LONGEST_PAUSE_MS * random());
    const victim = pool.runners[Math.floor(random() * pool.runners.length)];
    if (victim?.alive !== true) continue;
    const hosted = once(residency, 'hosted');
    const ended = nextGone(pool);
    victim.kill();
    await ended;
    const endedMs = performance.now();
    counts.kills += 1;
    await hosted;
    counts.slowestReturnMs = Math.max(counts.slowestReturnMs, performance.now() - endedMs);
  }
}
