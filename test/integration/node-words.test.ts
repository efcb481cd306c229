import { cp, mkdtemp, readFile, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModelkeep, openStore, push, type Modelkeep, type VersionStore } from '../../src/app/index.js';
import type { Precision, Tensor } from '../../src/core/index.js';
import { fixture } from './node-bench.js';

const TABLE = 'bert.embeddings.word_embeddings.weight';
const COLUMNS = 128;
/** 10 MB of words: runners read so many row by row. The model has 6,000; the others are never asked for. */
const WORDS = 20_000;

interface Header {
  readonly [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] };
}

/** Writes a copy of a model that has more words, and so answers as it does. */
async function writeWithMoreWords(source: string, directory: string): Promise<void> {
  await cp(source, directory, { recursive: true });
  const bytes = await readFile(join(source, 'model.safetensors'));
  const dataStart = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: _, ...tensors } = JSON.parse(bytes.toString('utf8', 8, dataStart)) as Header;
  const table = Buffer.alloc(4 * WORDS * COLUMNS);
  const parts: Buffer[] = [];
  let end = 0;
  for (const [name, tensor] of Object.entries(tensors)) {
    const own = bytes.subarray(...tensor.data_offsets.map((offset) => dataStart + offset));
    if (name === TABLE) {
      own.copy(table);
      tensor.shape = [WORDS, COLUMNS];
    }
    const part = name === TABLE ? table : own;
    tensor.data_offsets = [end, (end += part.byteLength)];
    parts.push(part);
  }
  const json = Buffer.from(JSON.stringify(tensors));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.byteLength));
  await writeFile(join(directory, 'model.safetensors'), Buffer.concat([length, json, ...parts]));
  const config = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8')) as object;
  await writeFile(join(directory, 'config.json'), JSON.stringify({ ...config, vocab_size: WORDS }));
}

const TEXTS = ['Happy coding !!!', 'the worst film that I have ever seen, and it went on for hours', 'so so', 'é 你好'];

let folder = '';
let store: VersionStore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelkeep-words-'));
  store = await openStore(join(folder, 'store'));
  await push(store, fixture('v2'), { name: 'few' });
  for (const [name, version] of Object.entries({ v2: 1, 'v3-head': 2 })) {
    const directory = join(folder, `many-${version}`);
    await writeWithMoreWords(fixture(name as 'v2' | 'v3-head'), directory);
    await push(store, directory, { name: 'many' });
  }
});

afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

function open(options: { readonly compileAfter?: number; readonly precision?: Precision } = {}): Promise<Modelkeep> {
  return openModelkeep({ store, cacheDir: join(folder, 'cache'), runners: 1, compileAfter: 0, ...options });
}

async function answers(keep: Modelkeep, reference: string): Promise<unknown[]> {
  return Promise.all(TEXTS.map(async (text) => (await keep.predict(reference, text)).output));
}

/** Files of the cache that the runner has open, and those that it maps. */
async function heldFiles(keep: Modelkeep): Promise<{ readonly open: readonly string[]; readonly mapped: string }> {
  const { pid } = keep.parts.pool.runners[0]!;
  const links = (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''));
  const cache = join(folder, 'cache');
  const opened = (await Promise.all(links)).filter((path) => path.startsWith(cache));
  return { open: opened, mapped: await readFile(`/proc/${pid}/maps`, 'utf8') };
}

function int64(data: readonly bigint[]): Tensor {
  return { type: 'int64', dims: [1, data.length], data: BigInt64Array.from(data) };
}

async function tokens(keep: Modelkeep, ids: readonly bigint[], mask: readonly bigint[]): Promise<unknown> {
  const tensors = { input_ids: int64(ids), attention_mask: int64(mask), token_type_ids: int64(ids.map(() => 0n)) };
  const model = await keep.load('many:1');
  return (await model.infer({ tensors })).tensors;
}

describe('a version with many words', () => {
  it('answers as with few, bit for bit, plain and compiled and in 8 bits', async () => {
    {
      await using keep = await open();
      expect(await answers(keep, 'many:1')).toEqual(await answers(keep, 'few:1'));
    }
    for (const precision of ['int8', 'int8+embeddings'] as const) {
      await using keep = await open({ precision });
      expect(await answers(keep, 'many:1')).toEqual(await answers(keep, 'few:1'));
    }
    await using keep = await open({ compileAfter: 1 });
    for (const reference of ['few:1', 'many:1']) {
      const compiled = new Promise((resolve) => keep.parts.residency.once('compiled', resolve));
      await keep.predict(reference, 'once');
      expect(await compiled).not.toHaveProperty('error');
    }
    expect(await answers(keep, 'many:1')).toEqual(await answers(keep, 'few:1'));
  });

  it('takes tokens too, and refuses those that are no words', async () => {
    await using keep = await open();
    const one = await tokens(keep, [2n, 9n, 3n], [1n, 1n, 1n]);
    // Places that only fill up may hold anything.
    expect(await tokens(keep, [2n, 9n, 3n, 123_456n], [1n, 1n, 1n, -1n])).toEqual(one);
    await expect(tokens(keep, [2n, 20_000n, 3n], [1n, 1n, 1n])).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('input_ids: 20000 at place 1'),
    });
    await expect(tokens(keep, [2n, 9n, 3n], [1n, 1n])).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect(await tokens(keep, [2n, 9n, 3n], [1n, 1n, 1n])).toEqual(one);
  });

  it.skipIf(process.platform !== 'linux')('does not map them, and opens them once for all versions', async () => {
    await using keep = await open();
    await answers(keep, 'many:1');
    await answers(keep, 'many:2');
    const { open: opened, mapped } = await heldFiles(keep);
    expect(opened).toHaveLength(1);
    expect(mapped).not.toContain(opened[0]);
    // Others are.
    expect(mapped).toContain(join(folder, 'cache', 'segments'));
    for (const { record } of keep.parts.residency.residents) await keep.parts.residency.release(record.id);
    expect((await heldFiles(keep)).open).toEqual([]);
  });
});
