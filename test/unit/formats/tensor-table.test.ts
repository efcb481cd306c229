import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  assert,
  boolean,
  constantFrom,
  nat,
  property,
  record,
  shuffledSubarray,
  string,
  uniqueArray,
} from 'fast-check';
import { expect, test } from 'vitest';
import { readSafetensorsHeader } from '../../../src/formats/index.js';
import { memoryFiles, safetensors } from './memory-files.js';
import { temporaryFolder } from './temporary-folder.js';

function readHeader(bytes: Buffer) {
  const files = memoryFiles({ m: bytes });
  return readSafetensorsHeader('m', bytes.length, (start, end) => files.read('m', { start, end }));
}

interface Entry {
  readonly name: string;
  readonly isEscaped: boolean;
  readonly rows: number;
}

/** A name as JSON, each unit of it escaped if it is asked for. */
function spelled({ name, isEscaped }: Entry): string {
  if (!isEscaped) return JSON.stringify(name);
  const units = Array.from({ length: name.length }, (_, at) => name.charCodeAt(at).toString(16).padStart(4, '0'));
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`;
}

const entry = record({
  name: string({ unit: 'grapheme', maxLength: 6 }).filter((name) => name.isWellFormed() && name !== '__metadata__'),
  isEscaped: boolean(),
  rows: nat({ max: 3 }),
});
const entries = uniqueArray(entry, { selector: ({ name }) => name, maxLength: 12 });
const placed = entries.chain((all) =>
  record({ all: constantFrom(all), order: shuffledSubarray(all, { minLength: all.length }) }),
);

test('a table has what JSON says, whatever names are, in the order of the bytes', async () => {
  const cases: { readonly all: readonly Entry[]; readonly order: readonly Entry[] }[] = [];
  assert(
    property(placed, (one) => void cases.push(one)),
    { numRuns: 200 },
  );
  expect(cases.length).toBeGreaterThan(100);
  for (const { all, order } of cases) {
    let at = 0;
    const offsets = new Map(order.map(({ name, rows }) => [name, [at, (at += rows * 4)] as const]));
    const text = all.map((one) => {
      const [begin, end] = offsets.get(one.name) ?? [0, 0];
      return `${spelled(one)}:{"shape":[${one.rows}, 2],"data_offsets":[${begin},${end}],"dtype":"F16"}`;
    });
    const { tensors, dataStart } = await readHeader(safetensors(`{${text.join(',')}}  `, Buffer.alloc(at)));
    expect(tensors.size).toBe(all.length);
    for (const { name, rows } of all) {
      const [begin, end] = offsets.get(name) ?? [0, 0];
      const tensor = { name, dtype: 'F16', shape: [rows, 2], start: dataStart + begin, end: dataStart + end };
      expect(tensors.get(name)).toEqual(tensor);
    }
    expect(tensors.has('no such name')).toBe(false);
    const starts = [...tensors.values()].map(({ start }) => start);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect([...tensors.keys()].toSorted()).toEqual(all.map(({ name }) => name).toSorted());
  }
});

const tensor = (name: string, begin: number): string =>
  `${name}:{"dtype":"U8","shape":[2],"data_offsets":[${begin},${begin + 2}]}`;

test.each([
  ['twice', [tensor('"a"', 0), tensor('"a"', 2)]],
  ['twice, once escaped', [tensor('"a"', 0), tensor('"\\u0061"', 2)]],
  ['twice, with another between them', [tensor('"b"', 0), tensor('"a"', 2), tensor('"b"', 4)]],
  ['as half a character', [tensor('"\\ud83d"', 0)]],
  ['with a line break that is not escaped', [tensor('"a\n"', 0)]],
  ['without an end', [tensor('"a', 0)]],
])('a name that is there %s is refused', async (_, parts) => {
  const file = safetensors(`{${parts.join(',')}}`, Buffer.alloc(2 * parts.length));
  await expect(readHeader(file)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});

test('a name that is no UTF-8 is refused', async () => {
  const file = safetensors(`{${tensor('"a?"', 0)}}`, Buffer.alloc(2));
  file[file.indexOf('?')] = 0xff;
  await expect(readHeader(file)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});

/** Reads a header in a process of its own; prints how its memory grew at most, in bytes. */
const MEASURE = `
  const { openSync, readSync } = await import('node:fs');
  const { readSafetensorsHeader } = await import(process.argv[1]);
  const [headerBytes, dataBytes] = process.argv.slice(3).map(Number);
  const file = openSync(process.argv[2]);
  const read = async (start, end) => {
    const bytes = Buffer.allocUnsafe(end - start);
    readSync(file, bytes, 0, bytes.length, start);
    return bytes;
  };
  const before = process.resourceUsage().maxRSS;
  const { tensors } = await readSafetensorsHeader('m', headerBytes + dataBytes, read);
  console.log(JSON.stringify({ tensors: tensors.size, grewBytes: (process.resourceUsage().maxRSS - before) * 1024 }));
`;

test('a header of 200,000 tensors, as short as they can be, takes no more than twice its bytes', () => {
  using folder = temporaryFolder();
  const count = 200_000;
  const parts = Array.from({ length: count }, (_, at) => {
    return `"${at.toString(36)}":{"dtype":"U8","shape":[],"data_offsets":[${at},${at + 1}]}`;
  });
  const header = safetensors(`{${parts.join(',')}}`);
  const path = join(folder.path, 'header');
  writeFileSync(path, header);
  const formats = new URL('../../../dist/formats/index.js', import.meta.url).href;
  // What the young generation of the heap may grow to has nothing to do with the header.
  const flags = ['--max-semi-space-size=1', '--input-type=module', '-e', MEASURE];
  const sizes = [String(header.length), String(count)];
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, formats, path, ...sizes], { encoding: 'utf8' });
  expect(stderr).toBe('');
  const { tensors, grewBytes } = JSON.parse(stdout) as { tensors: number; grewBytes: number };
  expect(tensors).toBe(count);
  // The header itself is read whole.
  expect(grewBytes).toBeGreaterThan(0.9 * header.length);
  expect(grewBytes).toBeLessThan(2 * header.length);
});
