import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { collectGarbage, verify } from '../../src/registry/index.js';
import { openStore } from '../../src/stores/index.js';
import { checkHistory, type Did } from './check-history.js';

/** Processes that do random things at once. */
const WORKERS = 4;
/** Grace time of all collectors in a schedule, in ms: the shortest there is. */
const GRACE_MS = 1_000;
/** Longest time between two kills, in ms. */
const MAX_KILL_PAUSE_MS = 1_500;
/** How long a worker may take to finish its last operation. */
const PATIENCE_MS = 30_000;

/** What a schedule is run with. */
export interface Schedule {
  readonly url: string;
  readonly seconds: number;
  readonly seed: number;
}

/** What happened in a schedule. */
export interface Outcome {
  readonly seed: number;
  readonly acknowledged: Readonly<Record<string, number>>;
  /** Operations that lost against another process. */
  readonly lost: number;
  readonly kills: number;
  readonly versions: number;
  readonly aliases: number;
  readonly events: number;
  readonly collectedVersions: number;
  readonly removedSegments: number;
}

interface Said {
  readonly open?: true;
  readonly did?: Did;
  readonly lost?: unknown;
  readonly failed?: unknown;
}

/** The processes of a schedule, and what they said. */
class Crowd {
  readonly said: Said[] = [];
  readonly #url: string;
  readonly #seed: number;
  readonly #children = new Map<number, { readonly child: ChildProcess; readonly ended: Promise<unknown> }>();
  #started = 0;
  kills = 0;

  constructor({ url, seed }: Schedule) {
    this.#url = url;
    this.#seed = seed;
  }

  /** Starts a worker at a place, and waits until it has the store open. */
  async start(place: number): Promise<void> {
    this.#started += 1;
    const name = `w${place}.${this.#started}`;
    const script = fileURLToPath(new URL('worker.mjs', import.meta.url));
    const seed = String(this.#seed * 1_000 + this.#started);
    const args = [script, this.#url, name, seed, String(GRACE_MS)];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    // One that is killed no longer reads.
    child.stdin.on('error', () => undefined);
    const ended = once(child, 'close').then(([code, signal]) => {
      if (signal === null && code !== 0) this.said.push({ failed: { name, stderr } });
      return signal as unknown;
    });
    this.#children.set(place, { child, ended });
    await new Promise<void>((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const heard = JSON.parse(line) as Said;
        this.said.push(heard);
        if (heard.open === true) resolve();
      });
      child.once('close', () => resolve());
    });
  }

  async kill(place: number): Promise<void> {
    const worker = this.#children.get(place);
    if (worker === undefined) return;
    this.kills += 1;
    worker.child.kill('SIGKILL');
    await worker.ended;
  }

  /** Lets all finish what they do. */
  async finish(): Promise<void> {
    const workers = [...this.#children.values()];
    for (const { child } of workers) child.stdin?.end();
    const patience = setTimeout(() => workers.forEach(({ child }) => child.kill('SIGKILL')), PATIENCE_MS);
    await Promise.all(workers.map(({ ended }) => ended));
    clearTimeout(patience);
  }
}

/** A generator of numbers from 0 to 1 for when and whom to kill; what a worker does has a seed of its own. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  // A linear congruential generator with the constants of Numerical Recipes.
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 4_294_967_296;
}

/** Lets processes do random things to a store for a while and kills them at random, then looks what is left. */
export async function runSchedule(schedule: Schedule): Promise<Outcome> {
  const crowd = new Crowd(schedule);
  const random = randomFrom(schedule.seed);
  try {
    await Promise.all(Array.from({ length: WORKERS }, (_, place) => crowd.start(place)));
    const until = performance.now() + 1_000 * schedule.seconds;
    for (;;) {
      const pauseMs = 200 + random() * (MAX_KILL_PAUSE_MS - 200);
      if (performance.now() + pauseMs >= until) break;
      await delay(pauseMs);
      const place = Math.floor(random() * WORKERS);
      await crowd.kill(place);
      await crowd.start(place);
    }
    await delay(Math.max(0, until - performance.now()));
  } finally {
    await crowd.finish();
  }
  return check(schedule, crowd);
}

async function check({ url, seed }: Schedule, crowd: Crowd): Promise<Outcome> {
  expect(crowd.said.flatMap(({ failed }) => (failed === undefined ? [] : [failed]))).toEqual([]);
  await using store = await openStore(url);
  const acknowledged = crowd.said.flatMap(({ did }) => (did === undefined ? [] : [did]));
  const { events } = await checkHistory(store, acknowledged, crowd.kills);
  // Every version is whole, those that aliases point at above all.
  const { findings } = await verify(store, { deep: true });
  expect(findings.filter(({ severity }) => severity === 'problem')).toEqual([]);
  await checkNothingIsLeft(store);
  const versions = await store.listVersions();
  const done: Record<string, number> = {};
  for (const { operation } of acknowledged) done[operation] = (done[operation] ?? 0) + 1;
  const sum = (of: (did: Did) => number | undefined): number =>
    acknowledged.reduce((total, did) => total + (of(did) ?? 0), 0);
  return {
    seed,
    acknowledged: done,
    lost: crowd.said.filter(({ lost }) => lost !== undefined).length,
    kills: crowd.kills,
    versions: versions.length,
    aliases: (await store.listAliases()).length,
    events,
    collectedVersions: sum(({ collected }) => collected),
    removedSegments: sum(({ removed }) => removed),
  };
}

/** Once the grace time is over, one run takes everything that no version needs, and there is nothing for another. */
async function checkNothingIsLeft(store: Awaited<ReturnType<typeof openStore>>): Promise<void> {
  const quiet = (await store.now()).getTime();
  while ((await store.now()).getTime() <= quiet + GRACE_MS + 1) await delay(50);
  await collectGarbage(store, { graceMs: GRACE_MS });
  const again = await collectGarbage(store, { graceMs: GRACE_MS, dryRun: true });
  const none = { count: 0, bytes: 0 };
  expect(again).toMatchObject({ collected: [], restorable: [], removed: none, waiting: none });
  expect((await verify(store, { deep: true })).findings).toEqual([]);
}
