import { describe, expect, it } from 'vitest';
import type { ModelkeepError } from '../../../src/core/index.js';
import type { Resident } from '../../../src/residency/index.js';
import { residentOf } from './fake-runner.js';
import { benchOf, type Bench } from './scheduler-bench.js';

/** Runs that take long enough to be timed. */
async function learnt(bench: Bench, resident: Resident): Promise<void> {
  const answer = bench.ask(resident, 'one two');
  const began = performance.now();
  while (performance.now() - began < 20);
  await bench.end(bench.runs.at(-1));
  await answer;
}

describe('the time that a request would wait', () => {
  it('is unknown before the first run, and then bounds the queue: a request beyond it is refused at once', async () => {
    const bench = benchOf({ maxQueueMs: 100 });
    const resident = residentOf('a', bench.runners);
    // A run of 3 tokens took 20 ms, so each of these, taken for 5 tokens, is thought to take 33 ms or more.
    await learnt(bench, resident);
    const answers = Array.from({ length: 4 }, () => bench.ask(resident, 'one two'));
    for (let asked = 0; asked < 10; asked++) answers.push(bench.ask(resident, 'one two'));
    const outcomes = Promise.allSettled(answers);
    for (let run = 1; run < bench.runs.length; run++) await bench.end(bench.runs[run]);
    const refused = (await outcomes).flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    expect(refused.length).toBeGreaterThan(5);
    expect(refused.length).toBeLessThan(14);
    expect(refused[0]).toMatchObject({ code: 'OVERLOADED', details: { retryAfterMs: 1_000 } });
    await learnt(bench, resident);
  });

  it('bounds nobody who is patient, as one who reads a file is', async () => {
    const bench = benchOf({ maxQueueMs: 1 });
    const resident = residentOf('a', bench.runners);
    await learnt(bench, resident);
    const first = bench.ask(resident, 'one');
    const second = bench.ask(resident, 'two');
    const work = { kind: 'predict', request: { inputs: 'three' } } as const;
    await expect(bench.scheduler.submit(resident, work)).rejects.toMatchObject({ code: 'OVERLOADED' });
    const patient = bench.scheduler.submit(resident, work, { patient: true });
    for (let run = 1; run < bench.runs.length; run++) await bench.end(bench.runs[run]);
    expect(await patient).toMatchObject({ output: '<three>' });
    await Promise.all([first, second]);
  });

  it('is told as the time after which to try again', async () => {
    const bench = benchOf({ maxQueue: 4, maxQueueMs: 0 });
    const resident = residentOf('a', bench.runners);
    await learnt(bench, resident);
    const long = Array.from({ length: 400 }, () => 'word').join(' ');
    const answers = Array.from({ length: 5 }, () => bench.ask(resident, long));
    const refused = await bench.ask(resident, long).catch((error: unknown) => error);
    // Four of about 200 tokens, at about 7 ms each.
    expect(refused).toMatchObject({ code: 'OVERLOADED' });
    expect((refused as ModelkeepError).details['retryAfterMs']).toBeGreaterThan(4_000);
    for (let run = 1; run < bench.runs.length; run++) await bench.end(bench.runs[run]);
    await Promise.all(answers);
  });

  it('that is over before its turn ends a request, though its timer did not fire', async () => {
    const bench = benchOf();
    const resident = residentOf('a', bench.runners);
    const first = bench.ask(resident, '1');
    const work = { kind: 'predict', request: { inputs: '2' } } as const;
    const submitted = bench.scheduler.submit(resident, work, { deadlineMs: performance.now() });
    const late = submitted.catch((error: unknown) => error);
    await bench.end(bench.runs[0]);
    expect(await late).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await first;
    expect(bench.runs).toHaveLength(1);
    expect(bench.scheduler.waiting).toEqual({});
  });
});
