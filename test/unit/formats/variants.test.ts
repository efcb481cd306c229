import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  buildManifest,
  inspectArtifact,
  openDirectoryFiles,
  planSession,
  readSafetensorsHeader,
  validateArtifact,
} from '../../../src/formats/index.js';
import { memoryFiles, safetensors } from './memory-files.js';
import { goldenRows, largestGap, numbers, openSession, runBatch } from './session.js';
import { temporaryFolder } from './temporary-folder.js';

const BERT = join(import.meta.dirname, '../../fixtures/archs/bert');
const weights = readFileSync(join(BERT, 'model.safetensors'));
const rows = goldenRows(join(BERT, 'golden.jsonl'));

interface Part {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Buffer;
}

async function partsOf(bytes: Buffer): Promise<Part[]> {
  const files = memoryFiles({ m: bytes });
  const { tensors } = await readSafetensorsHeader('m', bytes.length, (start, end) => files.read('m', { start, end }));
  return [...tensors.values()].map(({ name, dtype, shape, start, end }) => ({
    name,
    dtype,
    shape,
    bytes: bytes.subarray(start, end),
  }));
}

function writeParts(parts: readonly Part[]): Buffer {
  let at = 0;
  const header = parts.map(({ name, dtype, shape, bytes }) => {
    const entry = [name, { dtype, shape, data_offsets: [at, at + bytes.length] }];
    at += bytes.length;
    return entry;
  });
  return safetensors(JSON.stringify(Object.fromEntries(header)), Buffer.concat(parts.map(({ bytes }) => bytes)));
}

async function gapOf(folder: string, names: readonly string[]): Promise<number> {
  copyFileSync(join(BERT, 'config.json'), join(folder, 'config.json'));
  const session = await openSession(await planSession(openDirectoryFiles(folder, ['config.json', ...names])));
  const found = numbers(await runBatch(session, rows, 0), 'logits');
  await session.release();
  return largestGap(
    found,
    rows.flatMap(({ logits }) => logits),
  );
}

/** The upper half of each float: how a number becomes a BF16 by truncation. */
function toBfloat16(bytes: Buffer): Buffer {
  const halves = Buffer.alloc(bytes.length / 2);
  for (let at = 0; at < halves.length; at += 2) bytes.copy(halves, at, 2 * at + 2, 2 * at + 4);
  return halves;
}

test('a sharded checkpoint answers as a whole one', async () => {
  using folder = temporaryFolder();
  const parts = await partsOf(weights);
  const shards = new Map([
    ['model-00001-of-00002.safetensors', parts.slice(0, 12)],
    ['model-00002-of-00002.safetensors', parts.slice(12)],
  ]);
  const weight_map: Record<string, string> = {};
  for (const [file, some] of shards) {
    writeFileSync(join(folder.path, file), writeParts(some));
    for (const { name } of some) weight_map[name] = file;
  }
  const index = 'model.safetensors.index.json';
  writeFileSync(join(folder.path, index), JSON.stringify({ weight_map }));
  expect(await gapOf(folder.path, [index, ...shards.keys()])).toBeLessThan(1e-4);
});

test('old names of layer norms and BF16 weights are understood', async () => {
  using folder = temporaryFolder();
  const parts = await partsOf(weights);
  const old = parts.map((part) => ({
    ...part,
    name: part.name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta'),
  }));
  writeFileSync(join(folder.path, 'model.safetensors'), writeParts(old));
  expect(await gapOf(folder.path, ['model.safetensors'])).toBeLessThan(1e-4);
  const halves = parts.map(({ name, shape, bytes }) => ({ name, shape, dtype: 'BF16', bytes: toBfloat16(bytes) }));
  writeFileSync(join(folder.path, 'model.safetensors'), writeParts(halves));
  const gap = await gapOf(folder.path, ['model.safetensors']);
  // A BF16 has 8 bits of mantissa: close to the float32 answers, and not equal to them.
  expect(gap).toBeGreaterThan(1e-4);
  expect(gap).toBeLessThan(0.5);
});

test('NaN weights are published with a warning that names the tensor', async () => {
  using folder = temporaryFolder();
  const parts = await partsOf(Buffer.from(weights));
  // The parts are views of one copy of the file.
  parts.find(({ name }) => name === 'classifier.bias')?.bytes.writeFloatLE(Number.NaN, 4);
  writeFileSync(join(folder.path, 'model.safetensors'), writeParts(parts));
  copyFileSync(join(BERT, 'config.json'), join(folder.path, 'config.json'));
  const artifact = await inspectArtifact(folder.path);
  await validateArtifact(artifact);
  const warnings: string[] = [];
  await buildManifest(artifact, { onWarning: (sentence) => warnings.push(sentence) });
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain('classifier.bias');
  await buildManifest(await inspectArtifact(BERT), { onWarning: (sentence) => warnings.push(sentence) });
  expect(warnings).toHaveLength(1);
});
