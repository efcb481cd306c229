import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { digestHex, digestOf, type Manifest } from '../../src/core/index.js';
import { RunnerPool, pythonRunnerCommand, Runner, type RunnerCommand } from '../../src/runners/index.js';
import { estimatorThatRuns, golden, IRIS, matrix, numbersOf, sklearnPython } from './joblib-harness.js';

let segmentsFolder: string;
let command: RunnerCommand;

beforeAll(async () => {
  segmentsFolder = mkdtempSync(join(tmpdir(), 'modelkeep-segments-'));
  command = pythonRunnerCommand({
    python: await sklearnPython(),
    allow: 'any',
    segmentsFolder,
    threads: 2,
    maxMemoryBytes: 4_294_967_296,
    callTimeoutMs: 15_000,
  });
}, 320_000);

afterAll(() => rmSync(segmentsFolder, { recursive: true, force: true }));

/** Puts bytes into the folder, cut at these places, as a version of one file. */
function place(bytes: Buffer, ...cuts: readonly number[]): Manifest {
  const ends = [...cuts, bytes.length];
  const segments = ends.map((end, index) => {
    const part = bytes.subarray(index === 0 ? 0 : ends[index - 1], end);
    const digest = digestOf(part);
    writeFileSync(join(segmentsFolder, digestHex(digest)), part);
    return { digest, size: part.length };
  });
  return { schema: 1, format: 'joblib', files: [{ path: 'model.joblib', size: bytes.length, segments }] };
}

async function load(runner: Runner, key: string, manifest: Manifest): Promise<void> {
  await runner.call('load', { op: 'load', key, manifest, segmentsFolder, threads: 2 });
}

it('reads a file that lies in several segments', async () => {
  const runner = await Runner.start(command);
  try {
    await load(runner, 'cut', place(readFileSync(join(IRIS, 'mymodel_v1.joblib')), 1, 100, 1_000, 1_001));
    const { tensors } = await runner.call('infer', { op: 'infer', key: 'cut' }, matrix(golden.data));
    expect(numbersOf(tensors.predict)).toEqual(golden.models.mymodel_v1.predict);
    expect((await runner.call('stats', { op: 'stats' })).result.loaded).toEqual(['cut']);
    await runner.call('unload', { op: 'unload', key: 'cut' });
    expect((await runner.call('stats', { op: 'stats' })).result.loaded).toEqual([]);
    const asked = runner.call('infer', { op: 'infer', key: 'cut' }, matrix(golden.data));
    await expect(asked).rejects.toMatchObject({ code: 'INTERNAL' });
  } finally {
    await runner.close();
  }
}, 60_000);

it('is killed when an answer takes too long, and replaced when it is asked for', async () => {
  const pool = new RunnerPool({ command, size: 1 });
  try {
    expect(pool.runners).toEqual([]);
    await Promise.all([pool.open(), pool.open()]);
    expect(pool.runners).toHaveLength(1);
    const [runner] = pool.runners;
    // The first call of predict describes the outputs at loading; the second one never ends.
    const source = `import numpy, time
class Trap:
    calls = 0
    def __array__(self, dtype=None, copy=None):
        Trap.calls += 1
        if Trap.calls > 1: time.sleep(10 ** 6)
        return numpy.zeros(1)
found = Trap()`;
    await load(runner!, 'trap', place(estimatorThatRuns(source)));
    const replaced = new Promise((resolve) => pool.events.once('joined', resolve));
    const asked = runner!.call('infer', { op: 'infer', key: 'trap' }, matrix([[1]]));
    await expect(asked).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await replaced;
    expect([pool.restarts, pool.runners.length]).toEqual([1, 1]);
    expect(pool.runners[0]?.pid).not.toBe(runner?.pid);
  } finally {
    await pool.close();
  }
  expect(pool.runners).toEqual([]);
  await expect(pool.open()).rejects.toMatchObject({ code: 'CLOSED' });
}, 90_000);

it('says why it cannot be started, and can be tried again', async () => {
  const pool = new RunnerPool({ command: { ...command, command: join(segmentsFolder, 'no-python') }, size: 1 });
  await expect(pool.open()).rejects.toMatchObject({ code: 'RUNNER_CRASHED' });
  await expect(pool.open()).rejects.toMatchObject({ code: 'RUNNER_CRASHED' });
  expect(pool.runners).toEqual([]);
  await pool.close();
});
