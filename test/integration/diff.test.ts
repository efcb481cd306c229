import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { parseReference, type VersionStore } from '../../src/core/index.js';
import { diff, push, type VersionDiff } from '../../src/registry/index.js';
import { openMemoryStore } from '../../src/stores/index.js';
import { contentsOf, type MadeContents } from '../../src/testing/index.js';

const SENTIMENT = resolve('test/fixtures/sentiment');

interface RawTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Buffer;
}

/** The tensors of a safetensors file by the format's own page: 8 bytes of length, JSON, data. */
function rawTensors(version: string): Map<string, RawTensor> {
  const file = readFileSync(join(SENTIMENT, version, 'model.safetensors'));
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<string, RawHeader>;
  const named = Object.entries(header).filter(([name]) => name !== '__metadata__');
  return new Map(
    named.map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [start, end],
        },
      ]) => {
        return [name, { dtype, shape, bytes: file.subarray(8 + length + start, 8 + length + end) }];
      },
    ),
  );
}

interface RawHeader {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

const config = (name: string): Buffer => Buffer.from(JSON.stringify({ hidden: 2, id2label: { 0: 'NO', 1: name } }));
const tokenizer = (vocab: object): Buffer => Buffer.from(JSON.stringify({ model: { type: 'WordPiece', vocab } }));

/** A checkpoint of given tensors. */
function checkpoint(tensors: Readonly<Record<string, RawTensor>>): MadeContents {
  let at = 0;
  const header = Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
      const start = at;
      at += bytes.length;
      return [name, { dtype, shape, data_offsets: [start, at] }];
    }),
  );
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const data = Object.values(tensors).map(({ bytes }) => bytes);
  return contentsOf({ 'model.safetensors': Buffer.concat([length, text, ...data]) });
}

let store: VersionStore;
beforeEach(async () => {
  store = await openMemoryStore();
});

const between = (first: string, second: string): Promise<VersionDiff> =>
  diff(store, parseReference(first), parseReference(second));

describe('diff', () => {
  it('names exactly the tensors that differ between two checkpoints, and by how much', async () => {
    await push(store, join(SENTIMENT, 'v2'), { name: 'sentiment', metadata: { epochs: 3 } });
    await push(store, join(SENTIMENT, 'v3-head'), { name: 'sentiment', metadata: { epochs: 4 }, message: 'new head' });
    const [one, two] = [rawTensors('v2'), rawTensors('v3-head')];
    const expected = [...one].filter(([name, { bytes }]) => two.get(name)?.bytes.equals(bytes) === false);
    expect(expected.length).toBeGreaterThan(0);
    const found = await between('sentiment:1', 'sentiment:2');
    const { changed, equal, added, removed } = found.tensors;
    expect(changed.map(({ name }) => name).toSorted()).toEqual(expected.map(([name]) => name).toSorted());
    expect([equal, added, removed]).toEqual([one.size - expected.length, [], []]);
    for (const { name, norm, largest, relativeNorm, differing } of changed) {
      const [a, b] = [one, two].map((all) => {
        const bytes = Buffer.from(all.get(name)?.bytes ?? []);
        return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      }) as [Float32Array, Float32Array];
      const changes = Array.from(a, (value, index) => Math.abs(value - (b[index] ?? 0)));
      expect(norm).toBeCloseTo(Math.hypot(...changes), 6);
      expect(relativeNorm).toBeCloseTo(Math.hypot(...changes) / Math.hypot(...a), 6);
      expect(largest).toBe(Math.max(...changes));
      expect(differing).toBe(changes.filter((change) => change > 0).length);
    }
    expect(found.files.filter(({ kind }) => kind === 'changed').map(({ path }) => path)).toContain('model.safetensors');
    expect(found.metadata).toEqual([
      { path: 'message', second: 'new head' },
      { path: 'metadata.epochs', first: 3, second: 4 },
    ]);
    const { shared, onlyFirst, onlySecond } = found.bytes;
    expect(shared).toBeGreaterThan(20 * onlySecond);
    expect(onlyFirst).toBeGreaterThan(0);
  });

  it('reads no tensor of versions that share their weights, and says what else differs', async () => {
    const header = Buffer.from(JSON.stringify({ w: { dtype: 'F32', shape: [50_000], data_offsets: [0, 200_000] } }));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const weights = Buffer.concat([length, header, randomBytes(200_000)]);
    const made = (label: string, vocab: object, more: Record<string, Buffer>) =>
      contentsOf(
        { 'config.json': config(label), 'model.safetensors': weights, 'tokenizer.json': tokenizer(vocab), ...more },
        { segmentBytes: 100_000 },
      );
    const [one, two] = [
      made('YES', { a: 0, b: 1 }, {}),
      made('MAYBE', { a: 0, c: 1, d: 2 }, { 'README.md': Buffer.from('x') }),
    ];
    await store.publish({ model: 'm', manifest: one.manifest }, one.source);
    await store.publish({ model: 'm', manifest: two.manifest }, two.source);
    let read = 0;
    const counting: VersionStore = {
      ...store,
      async *readSegment(record, place, options) {
        for await (const bytes of store.readSegment(record, place, options)) {
          if (place.path === 'model.safetensors') read += bytes.length;
          yield bytes;
        }
      },
    };
    const found = await diff(counting, parseReference('m:1'), parseReference('m:2'));
    // The header is in the first segment; the second one is not touched.
    expect(read).toBeLessThanOrEqual(4 * 100_000);
    expect(found.tensors).toEqual({ equal: 1, changed: [], added: [], removed: [] });
    expect(found.files.filter(({ kind }) => kind === 'added')).toEqual([
      { path: 'README.md', kind: 'added', secondSize: 1 },
    ]);
    expect(found.labels).toEqual([{ path: '1', first: 'YES', second: 'MAYBE' }]);
    expect(found.configuration).toEqual([]);
    expect(found.tokenizer).toEqual({ changes: [], addedTokens: 2, removedTokens: 1 });
  });

  it('tells tensors of another form, and those that only one version has', async () => {
    // 1, -2 and 1.5 as IEEE 754 binary16 and bfloat16.
    const [halves, brains] = [Buffer.from('003c00c0003e', 'hex'), Buffer.from('803f00c0c03f', 'hex')];
    const zeros = Buffer.alloc(6);
    const one = checkpoint({
      half: { dtype: 'F16', shape: [3], bytes: halves },
      brain: { dtype: 'BF16', shape: [3], bytes: brains },
      grown: { dtype: 'U8', shape: [6], bytes: zeros },
      old: { dtype: 'U8', shape: [2, 3], bytes: zeros },
    });
    const two = checkpoint({
      half: { dtype: 'F16', shape: [3], bytes: zeros },
      brain: { dtype: 'BF16', shape: [3], bytes: zeros },
      grown: { dtype: 'U8', shape: [3], bytes: Buffer.alloc(3) },
      new: { dtype: 'U8', shape: [6], bytes: zeros },
    });
    await store.publish({ model: 'm', manifest: one.manifest }, one.source);
    await store.publish({ model: 'm', manifest: two.manifest }, two.source);
    const { tensors } = await between('m:1', 'm:2');
    const norm = Math.hypot(1, 2, 1.5);
    const change = { differing: 3, elements: 3, norm, relativeNorm: 1, largest: 2 };
    expect(tensors.added).toEqual([{ name: 'new', dtype: 'U8', shape: [6] }]);
    expect(tensors.removed).toEqual([{ name: 'old', dtype: 'U8', shape: [2, 3] }]);
    expect(tensors.changed[0]).toEqual({
      name: 'grown',
      first: { name: 'grown', dtype: 'U8', shape: [6] },
      second: { name: 'grown', dtype: 'U8', shape: [3] },
    });
    expect(tensors.changed.slice(1)).toMatchObject([{ ...change }, { ...change }]);
  });

  it('compares initializers of ONNX models, and rejects what is not there', async () => {
    await push(store, join(SENTIMENT, 'v2-onnx'), { name: 'sentiment' });
    await push(store, join(SENTIMENT, 'v2-onnx'), { name: 'sentiment', force: true });
    const { tensors } = await between('sentiment:1', 'sentiment:2');
    expect(tensors).toMatchObject({ changed: [], added: [], removed: [] });
    expect(tensors.equal).toBeGreaterThan(3);
    await expect(between('sentiment:1', 'sentiment:9')).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
  });
});
