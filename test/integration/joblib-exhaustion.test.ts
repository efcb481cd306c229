import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Modelkeep } from '../../src/app/index.js';
import { deflatedZeros } from '../unit/formats/zip-file.js';
import { callOf, golden, matrix, numbersOf, pickleHome, sklearnPython, type PickleHome } from './joblib-harness.js';

/** Compresses standard input with a module of Python's own library. */
const COMPRESS = 'import sys, bz2, lzma; sys.stdout.buffer.write(eval(sys.argv[1])(sys.stdin.buffer.read()))';

let python: string;
let home: PickleHome;
let keep: Modelkeep;

beforeAll(async () => {
  python = await sklearnPython();
  home = pickleHome();
  await home.publishIris('iris', 'mymodel_v1.joblib');
  keep = await home.open(python, { requestTimeoutMs: 16_000, pickleMaxMemory: 2_147_483_648 });
  await keep.load('iris');
}, 320_000);

afterAll(async () => {
  await keep.close();
  home[Symbol.dispose]();
});

async function expectIrisToAnswer(): Promise<void> {
  const { tensors } = await (await keep.load('iris')).infer({ tensors: matrix(golden.data) });
  expect(numbersOf(tensors.predict)).toEqual(golden.models.mymodel_v1.predict);
}

const pids = (): readonly number[] => keep.status().runners.map(({ pid }) => pid);

/** A pickle of protocol 0 that calls an allowed class with what these opcodes push. */
const madeOf = (module: string, name: string, pushed: string): Buffer =>
  Buffer.from(`c${module}\n${name}\n(${pushed}tR.`);
/** range(10 ** 12). */
const LONG_RANGE = 'cbuiltins\nrange\n(L1000000000000L\ntR';

describe('a pickle of allowed names alone', () => {
  it.each([
    ['a list without end', () => madeOf('builtins', 'list', LONG_RANGE)],
    ['one large array of bytes', () => madeOf('builtins', 'bytearray', 'L100000000000L\n')],
    // BINBYTES8 of 3,000 MiB, in a file of 3 MB.
    ['a zlib bomb', () => Buffer.concat([Buffer.from([0x78, 0x9c]), bytesOf3000MiB()])],
  ])('that makes %s is refused, and its process serves on', async (what, bytes) => {
    const before = pids();
    const model = what.replaceAll(' ', '-');
    await home.publish(model, bytes());
    await expect(keep.load(model)).rejects.toMatchObject({ code: 'OUT_OF_BUDGET' });
    await expectIrisToAnswer();
    expect(pids()).toEqual(before);
  });

  it('that never ends is ended with its process', async () => {
    // deque(range(10 ** 12), 0) throws every number away, in a loop that no Python code can interrupt.
    await home.publish('endless', madeOf('collections', 'deque', `${LONG_RANGE}I0\n`));
    const [graphs, before] = pids();
    await expect(keep.load('endless')).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await expectIrisToAnswer();
    const [sameGraphs, after] = pids();
    expect([sameGraphs, after === before]).toEqual([graphs, false]);
  }, 60_000);
});

/** Deflated: protocol 4, BINBYTES8 with its length, and the zeros, which begin at a byte's border of their own. */
function bytesOf3000MiB(): Buffer {
  const head = Buffer.alloc(11);
  head.set([0x80, 4, 0x8e]);
  head.writeBigUInt64LE(3_000n * 1_048_576n, 3);
  // A stored block: not the last one, its length, and the complement of that.
  const stored = Buffer.from([0, head.length, 0, 0xff - head.length, 0xff]);
  return Buffer.concat([stored, head, deflatedZeros(3_000)]);
}

const marker = (): string => join(home.folder, 'harm');

describe('a pickle that asks for harm by name', () => {
  it.each([
    ['os.fork', () => madeOf('os', 'fork', '')],
    ['time.sleep', () => madeOf('time', 'sleep', 'I1000000\n')],
    ['builtins.print', () => callOf('builtins', 'print', 'x')],
    ['builtins.open', () => callOf('builtins', 'open', '/etc/passwd')],
    ['socket.socket', () => madeOf('socket', 'socket', '')],
    ['os.mkdir', () => callOf('os', 'mkdir', marker())],
  ])('%s is refused, and it is not called', async (name, bytes) => {
    const before = pids();
    const model = name.replace('.', '-');
    await home.publish(model, bytes());
    const refused = keep.load(model);
    await expect(refused).rejects.toMatchObject({ code: 'UNSAFE_FORMAT' });
    await expect(refused).rejects.toThrow(name);
    await expectIrisToAnswer();
    expect(pids()).toEqual(before);
  });

  it.each([
    ['xz', 'lzma.compress'],
    ['lzma', 'lambda given: lzma.compress(given, lzma.FORMAT_ALONE)'],
    ['bz2', 'bz2.compress'],
  ])('is refused too where %s hides it from the scan', async (compression, how) => {
    const input = callOf('os', 'mkdir', marker());
    await home.publish(`hidden-${compression}`, execFileSync(python, ['-c', COMPRESS, how], { input }));
    await expect(keep.load(`hidden-${compression}`)).rejects.toMatchObject({ code: 'UNSAFE_FORMAT' });
    expect(existsSync(marker())).toBe(false);
    await expectIrisToAnswer();
  });

  it('is refused as lz4, which this Python does not have, with the sentence that says so', async () => {
    await home.publish('lz4', Uint8Array.from([0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0, 0, 0, 0, 0]));
    const refused = keep.load('lz4');
    await expect(refused).rejects.toMatchObject({ code: 'LOAD_FAILED' });
    await expect(refused).rejects.toThrow(/lz4/i);
    await expectIrisToAnswer();
  });
});
