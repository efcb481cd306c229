import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { push, type Modelkeep } from '../../src/app/index.js';
import { nextGone, until } from '../unit/runners/processes.js';
import { Bench, fixture } from './node-bench.js';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.open();
  await push(bench.store, fixture('v1'), { name: 'sentiment' });
});
afterEach(() => bench.close());

const TEXT = 'Absolutely wonderful, I loved every minute of it!';
/** Loads like any other, and never ends when it is run. */
const ENDLESS = fileURLToPath(new URL('../fixtures/hostile/endless-loop.onnx', import.meta.url));
const TENSORS = { tensors: { x: { type: 'float32', dims: [1], data: Float32Array.of(1) } } } as const;
const QUICK = { requestTimeoutMs: 500 };
/** For what must be answered however crowded the machine is. */
const PATIENT = { timeoutMs: 20_000 };

const askEndless = (keep: Modelkeep): Promise<unknown> => keep.parts.service.infer('endless', TENSORS);

describe('a version whose graph never ends', () => {
  it('costs its own requests alone, is put in quarantine, and every runner is back', async () => {
    await push(bench.store, ENDLESS, { name: 'endless' });
    const keep = await bench.node(QUICK);
    await keep.load('sentiment');
    await keep.load('endless');
    const quarantined: string[] = [];
    keep.parts.residency.on('quarantined', ({ model }) => quarantined.push(model));
    for (let hung = 1; hung <= 2; hung += 1) {
      await expect(askEndless(keep)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
      // What shares the runners with it is answered meanwhile.
      expect((await keep.predict('sentiment', TEXT, PATIENT)).record.version).toBe(1);
      await until(`runner ${hung} is found to hang`, () => keep.status().runnersHung === hung);
      await until('there are two again', () => keep.status().runners.length === 2);
    }
    expect(quarantined).toEqual([]);
    await expect(askEndless(keep)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await until('it is in quarantine', () => quarantined.length === 1);
    expect(quarantined).toEqual(['endless']);
    await expect(askEndless(keep)).rejects.toMatchObject({ code: 'RUNNER_CRASHED' });
    await until('both hold the other version', () => keep.status().holds[0]?.runners === 2);
    expect(keep.status()).toMatchObject({ runnersMissing: 0, runnersHung: 3, runnerRestarts: 3 });
  });

  it('does not keep the only runner of a node: another takes its place and answers', async () => {
    await push(bench.store, ENDLESS, { name: 'endless' });
    const keep = await bench.node({ ...QUICK, runners: 1 });
    await keep.load('sentiment');
    await keep.load('endless');
    const gone = nextGone(keep.parts.pool);
    await expect(askEndless(keep)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await gone;
    expect(keep.status().runnersHung).toBe(1);
    expect(keep.parts.service.ready).toBe(false);
    expect((await keep.predict('sentiment', TEXT, PATIENT)).record.version).toBe(1);
    expect(keep.parts.service.ready).toBe(true);
  });
});

describe('a version whose tokenizer backtracks without end', () => {
  it('costs its own requests alone', async () => {
    const folder = join(bench.folder, 'evil');
    await cp(fixture('v1'), folder, { recursive: true });
    const tokenizer = JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8')) as Record<string, unknown>;
    tokenizer['pre_tokenizer'] = {
      type: 'Split',
      pattern: { Regex: '(a+)+$' },
      behavior: 'Isolated',
      invert: false,
    };
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
    await push(bench.store, folder, { name: 'evil' });
    const keep = await bench.node(QUICK);
    await keep.load('sentiment');
    await keep.load('evil');
    const asked = keep.predict('evil', `${'a'.repeat(60)}b`).catch((error: unknown) => error);
    expect((await keep.predict('sentiment', TEXT, PATIENT)).record.version).toBe(1);
    // By its time, or because its search gives up by ending the runner.
    expect(['DEADLINE_EXCEEDED', 'RUNNER_CRASHED']).toContain(((await asked) as { code?: string }).code);
    await until('both runners hold it', () => keep.status().holds.every(({ runners }) => runners === 2));
    expect(keep.status().runnersMissing).toBe(0);
  });
});

describe('a runner that is stopped by a signal', () => {
  it('is replaced, and its version is back in as many runners as before', async () => {
    const keep = await bench.node(QUICK);
    await keep.load('sentiment');
    const stopped = keep.parts.pool.runners[0]!;
    process.kill(stopped.pid, 'SIGSTOP');
    const answers = await Promise.allSettled(
      Array.from({ length: 4 }, () => keep.predict('sentiment', TEXT, { timeoutMs: 3_000 })),
    );
    const failures = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as unknown] : []));
    // What was in the stopped runner has run out of time; the other runner has answered the rest.
    expect(failures).toEqual(failures.map(() => expect.objectContaining({ code: 'DEADLINE_EXCEEDED' })));
    expect(failures.length).toBeLessThan(answers.length);
    await stopped.exited;
    await until('both runners hold it', () => keep.status().holds[0]?.runners === 2);
    expect(keep.status()).toMatchObject({ runnersHung: 1, runnersMissing: 0 });
    expect(keep.parts.residency.residents.map(({ state }) => state)).toEqual(['ready']);
  });
});
