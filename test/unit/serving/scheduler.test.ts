import { describe, expect, it } from 'vitest';
import { ModelkeepError } from '../../../src/core/index.js';
import { LONGEST_CALL_MS } from '../../../src/runners/index.js';
import { HUNG_FACTOR } from '../../../src/serving/scheduler.js';
import { residentOf, type FakeRun } from './fake-runner.js';
import { benchOf } from './scheduler-bench.js';

const inputsOf = (runs: readonly FakeRun[]): unknown[] => runs.map(({ inputs }) => inputs);

describe('the queue of a version', () => {
  it('gives a lone request to a free runner at once', async () => {
    const bench = benchOf();
    const answer = bench.ask(residentOf('a', bench.runners), 'x');
    expect(inputsOf(bench.runs)).toEqual([['x']]);
    bench.runs[0]?.answer();
    expect(await answer).toMatchObject({ output: '<x>', tokenizeMs: 1, runMs: 2 });
    expect(bench.reports).toMatchObject([{ requests: 1 }]);
  });

  it('batches what arrived while the runner was busy, up to the largest batch', async () => {
    const bench = benchOf({ maxBatchRequests: 3 });
    const resident = residentOf('a', bench.runners);
    const answers = ['1', '2', '3', '4', '5', '6'].map((input) => bench.ask(resident, input));
    expect(bench.scheduler.waiting).toEqual({ 'a:1': 5 });
    await bench.end(bench.runs[0]);
    await bench.end(bench.runs[1]);
    await bench.end(bench.runs[2]);
    expect(inputsOf(bench.runs)).toEqual([['1'], ['2', '3', '4'], ['5', '6']]);
    expect((await Promise.all(answers)).map(({ output }) => output)).toEqual([
      '<1>',
      '<2>',
      '<3>',
      '<4>',
      '<5>',
      '<6>',
    ]);
    expect(bench.scheduler.waiting).toEqual({});
  });

  it('tells the runner when nothing else is asked', async () => {
    const bench = benchOf({ runners: 2 });
    const resident = residentOf('a', bench.runners);
    const answers = [bench.ask(resident, '1'), bench.ask(resident, '2')];
    await bench.end(bench.runs[0]);
    await bench.end(bench.runs[1]);
    answers.push(bench.ask(resident, '3'));
    await bench.end(bench.runs[2]);
    await Promise.all(answers);
    expect(bench.runs.map(({ lone }) => lone)).toEqual([true, false, true]);
  });

  it('refuses at once with OVERLOADED when it is full, and takes again when there is room', async () => {
    const bench = benchOf({ maxQueue: 2 });
    const resident = residentOf('a', bench.runners);
    const answers = ['1', '2', '3'].map((input) => bench.ask(resident, input));
    await expect(bench.ask(resident, '4')).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(bench.scheduler.waiting).toEqual({ 'a:1': 2 });
    await bench.end(bench.runs[0]);
    answers.push(bench.ask(resident, '5'));
    await bench.end(bench.runs[1]);
    await bench.end(bench.runs[2]);
    expect((await Promise.all(answers)).map(({ output }) => output)).toEqual(['<1>', '<2>', '<3>', '<5>']);
  });

  it('bounds each version on its own', async () => {
    const bench = benchOf({ maxQueue: 1 });
    const [a, b] = [residentOf('a', bench.runners), residentOf('b', bench.runners)];
    const answers = [bench.ask(a, '1'), bench.ask(a, '2'), bench.ask(b, '3')];
    await expect(bench.ask(a, '4')).rejects.toMatchObject({ code: 'OVERLOADED' });
    for (let i = 0; i < 3; i++) await bench.end(bench.runs[i]);
    expect(await Promise.all(answers)).toHaveLength(3);
  });

  it('answers each request of a batch on its own, so that a bad one harms no other', async () => {
    const bench = benchOf();
    const resident = residentOf('a', bench.runners);
    const first = bench.ask(resident, '1');
    const [good, bad] = [bench.ask(resident, '2'), bench.ask(resident, 'bad')];
    await bench.end(bench.runs[0]);
    bench.runs[1]?.answer();
    await expect(bad).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(await good).toMatchObject({ output: '<2>' });
    await first;
  });

  it('runs tensors alone', async () => {
    const bench = benchOf();
    const resident = residentOf('a', bench.runners);
    const tensors = { x: { type: 'float32', dims: [1], data: Float32Array.of(1) } } as const;
    const answers = [
      bench.ask(resident, '1'),
      bench.ask(resident, '2'),
      bench.scheduler.submit(resident, { kind: 'infer', tensors }),
      bench.ask(resident, '3'),
    ];
    for (let i = 0; i < 4; i++) await bench.end(bench.runs[i]);
    expect(inputsOf(bench.runs)).toEqual([['1'], ['2'], ['tensors'], ['3']]);
    expect((await Promise.all(answers))[2]).toMatchObject({ tensors });
  });
});

describe('a request that is given up', () => {
  it('leaves the queue before work starts', async () => {
    const bench = benchOf();
    const resident = residentOf('a', bench.runners);
    const caller = new AbortController();
    const answers = [bench.ask(resident, '1'), bench.ask(resident, '3')];
    const given = bench.ask(resident, '2', caller.signal);
    caller.abort();
    await expect(given).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(bench.scheduler.waiting).toEqual({ 'a:1': 1 });
    await bench.end(bench.runs[0]);
    await bench.end(bench.runs[1]);
    await Promise.all(answers);
    expect(inputsOf(bench.runs)).toEqual([['1'], ['3']]);
  });

  it('is told of its deadline, and leaves the queue too', async () => {
    const bench = benchOf();
    const resident = residentOf('a', bench.runners);
    const first = bench.ask(resident, '1');
    const caller = new AbortController();
    const late = bench.ask(resident, '2', caller.signal);
    caller.abort(new ModelkeepError('DEADLINE_EXCEEDED', 'Too late'));
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(bench.scheduler.waiting).toEqual({});
    await bench.end(bench.runs[0]);
    await first;
    expect(bench.runs).toHaveLength(1);
  });

  it('is refused where it was given up before it came', async () => {
    const bench = benchOf();
    const resident = residentOf('a', bench.runners);
    await expect(bench.ask(resident, '1', AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(bench.runs).toHaveLength(0);
  });

  it('harms no other request of its run', async () => {
    const bench = benchOf();
    const resident = residentOf('a', bench.runners);
    const caller = new AbortController();
    const first = bench.ask(resident, '1');
    const [given, kept] = [bench.ask(resident, '2', caller.signal), bench.ask(resident, '3')];
    await bench.end(bench.runs[0]);
    caller.abort();
    await expect(given).rejects.toMatchObject({ code: 'CANCELLED' });
    await bench.end(bench.runs[1]);
    expect(await kept).toMatchObject({ output: '<3>' });
    await first;
  });

  it('is not tried again after its runner crashed', async () => {
    const bench = benchOf({ runners: 2 });
    const resident = residentOf('a', bench.runners.slice(0, 1));
    const caller = new AbortController();
    const given = bench.ask(resident, '1', caller.signal);
    caller.abort();
    await expect(given).rejects.toMatchObject({ code: 'CANCELLED' });
    const [other] = bench.runners.slice(1);
    if (other !== undefined) resident.runners.add(other.asRunner());
    await bench.end(bench.runs[0], (run) => run.runner.crash(run));
    expect(bench.runs).toHaveLength(1);
  });
});

describe('several runners', () => {
  it('get equal shares of what waits', async () => {
    const bench = benchOf({ runners: 3 });
    const resident = residentOf('a', []);
    const answers = Array.from({ length: 9 }, (_, i) => bench.ask(resident, i));
    expect(bench.runs).toHaveLength(0);
    for (const runner of bench.runners) resident.runners.add(runner.asRunner());
    bench.scheduler.dispatch();
    expect(inputsOf(bench.runs)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 7, 8],
    ]);
    expect(new Set(bench.runs.map(({ runner }) => runner)).size).toBe(3);
    for (const run of bench.runs) await bench.end(run);
    expect(await Promise.all(answers)).toHaveLength(9);
  });

  it('are asked only for versions that they hold', async () => {
    const bench = benchOf({ runners: 2 });
    const resident = residentOf('a', bench.runners.slice(1));
    const answers = [bench.ask(resident, '1'), bench.ask(resident, '2')];
    expect(bench.runs.map(({ runner }) => runner)).toEqual([bench.runners[1]]);
    await bench.end(bench.runs[0]);
    await bench.end(bench.runs[1]);
    await Promise.all(answers);
  });
});

describe('several versions', () => {
  it('take turns, so that a flood on one does not starve another', async () => {
    const bench = benchOf({ runners: 2 });
    const [flooded, other] = [residentOf('a', bench.runners), residentOf('b', bench.runners)];
    const flood = Array.from({ length: 100 }, (_, i) => bench.ask(flooded, `a${i}`));
    expect(bench.runs).toHaveLength(2);
    const asked = bench.ask(other, 'b');
    // The next runner that is free answers it, whichever that is and however much of the other waits.
    await bench.end(bench.runs[1]);
    expect(bench.runs[2]).toMatchObject({ key: other.record.id, inputs: ['b'] });
    for (let run = 0; run < bench.runs.length; run++) if (run !== 1) await bench.end(bench.runs[run]);
    await Promise.all([...flood, asked]);
  });

  it('take turns, however much waits for one of them', async () => {
    const bench = benchOf({ maxBatchRequests: 1 });
    const [a, b] = [residentOf('a', bench.runners), residentOf('b', bench.runners)];
    const answers = [
      ...Array.from({ length: 6 }, () => bench.ask(a, 'a')),
      ...Array.from({ length: 3 }, () => bench.ask(b, 'b')),
    ];
    for (let i = 0; i < 9; i++) await bench.end(bench.runs[i]);
    await Promise.all(answers);
    expect(inputsOf(bench.runs).flat().join('')).toBe('abababaaa');
  });
});

describe('a runner that crashes', () => {
  it('has each of its requests tried once more, alone, on another', async () => {
    const bench = benchOf({ runners: 2 });
    const resident = residentOf('a', bench.runners.slice(0, 1));
    const first = bench.ask(resident, '0');
    const answers = ['1', '2', '3'].map((input) => bench.ask(resident, input));
    await bench.end(bench.runs[0]);
    await first;
    const [, other] = bench.runners;
    if (other !== undefined) resident.runners.add(other.asRunner());
    await bench.end(bench.runs[1], (run) => run.runner.crash(run));
    for (let i = 2; i < 5; i++) await bench.end(bench.runs[i]);
    expect(inputsOf(bench.runs)).toEqual([['0'], ['1', '2', '3'], ['1'], ['2'], ['3']]);
    expect((await Promise.all(answers)).map(({ output }) => output)).toEqual(['<1>', '<2>', '<3>']);
  });

  it('is reported to the request that ended two of them, and to no other', async () => {
    const bench = benchOf({ runners: 3 });
    const resident = residentOf('a', bench.runners.slice(0, 1));
    const first = bench.ask(resident, '0');
    const [killer, innocent] = [bench.ask(resident, 'killer'), bench.ask(resident, '2')];
    await bench.end(bench.runs[0]);
    await first;
    await bench.end(bench.runs[1], (run) => run.runner.crash(run));
    for (const runner of bench.runners.slice(1)) resident.runners.add(runner.asRunner());
    bench.scheduler.dispatch();
    const fatal = bench.runs.find(({ inputs }, i) => i > 1 && inputs[0] === 'killer');
    const harmless = bench.runs.find(({ inputs }, i) => i > 1 && inputs[0] === '2');
    const outcome = killer.catch((error: unknown) => error);
    await bench.end(fatal, (run) => run.runner.crash(run));
    await bench.end(harmless);
    expect(await outcome).toMatchObject({ code: 'RUNNER_CRASHED' });
    expect(await innocent).toMatchObject({ output: '<2>' });
    expect(bench.runs).toHaveLength(4);
  });

  it('leaves its version without blame at first, since the system may have ended it', async () => {
    const bench = benchOf({ runners: 2 });
    const answer = bench.ask(residentOf('a', bench.runners), '1');
    await bench.end(bench.runs[0], (run) => run.runner.crash(run));
    await bench.end(bench.runs[1]);
    expect(await answer).toMatchObject({ output: '<1>' });
    expect(bench.blamed).toEqual([]);
  });

  it('is the only reason to try again', async () => {
    const bench = benchOf();
    const resident = residentOf('a', bench.runners);
    const answer = bench.ask(resident, '1');
    bench.runs[0]?.fail(new ModelkeepError('INTERNAL', 'It is not loaded'));
    await expect(answer).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(bench.runs).toHaveLength(1);
  });
});

describe('a runner that hangs', () => {
  it('has its requests tried once more, alone, and its version is blamed at once', async () => {
    const bench = benchOf({ runners: 2 });
    const resident = residentOf('a', bench.runners.slice(0, 1));
    const first = bench.ask(resident, '0');
    const answers = ['1', '2'].map((input) => bench.ask(resident, input));
    await bench.end(bench.runs[0]);
    await first;
    resident.runners.add(bench.runners[1]!.asRunner());
    await bench.end(bench.runs[1], (run) => run.runner.hang(run));
    for (let i = 2; i < 4; i++) await bench.end(bench.runs[i]);
    expect(inputsOf(bench.runs)).toEqual([['0'], ['1', '2'], ['1'], ['2']]);
    expect((await Promise.all(answers)).map(({ output }) => output)).toEqual(['<1>', '<2>']);
    expect(bench.blamed).toEqual(['a']);
  });

  it('is one that takes twice as long as its requests may', async () => {
    const bench = benchOf();
    const resident = residentOf('a', bench.runners);
    const answer = bench.ask(resident, '1');
    // The time of the node's settings, doubled: a caller without patience must not end a runner.
    expect(HUNG_FACTOR).toBe(2);
    expect(bench.runs[0]?.limitMs).toBe(LONGEST_CALL_MS);
    const work = { kind: 'predict', request: { inputs: '2' } } as const;
    const hasty = bench.scheduler.submit(resident, work, { deadlineMs: performance.now() + 500 });
    const patient = bench.scheduler.submit(resident, work, { deadlineMs: performance.now() + 60_000 });
    await bench.end(bench.runs[0]);
    await bench.end(bench.runs[1]);
    await Promise.all([answer, hasty, patient]);
    expect(bench.runs[1]?.limitMs).toBeGreaterThan(119_000);
    expect(bench.runs[1]?.limitMs).toBeLessThanOrEqual(120_000);
  });
});

describe('a runner that has loaded another version', () => {
  it('is given what waited for it meanwhile', async () => {
    const bench = benchOf();
    const resident = residentOf('a', bench.runners);
    bench.runners[0]?.enter('busy');
    const answer = bench.ask(resident, '1');
    expect(bench.runs).toEqual([]);
    bench.runners[0]?.enter('free');
    await bench.end(bench.runs[0]);
    expect(await answer).toMatchObject({ output: '<1>' });
  });
});
