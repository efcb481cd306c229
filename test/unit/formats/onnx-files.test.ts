import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildManifest, inspectArtifact, openDirectoryFiles, planSession } from '../../../src/formats/index.js';
import { tensorValueInfo } from '../../../src/formats/onnx/value-info.js';
import { bytesField, concat, integerField } from '../../../src/formats/onnx/wire.js';
import { memoryFiles } from './memory-files.js';
import { goldenRows, largestGap, numbers, openSession, runBatch } from './session.js';
import { temporaryFolder } from './temporary-folder.js';

const EXPORT = join(import.meta.dirname, '../../fixtures/sentiment/v2-onnx');

/** A model whose large weights lie in another file, under a name of ten characters. */
async function splitModel(location: string): Promise<Buffer> {
  const { graph } = await planSession(openDirectoryFiles(EXPORT, ['model.onnx']));
  const text = Buffer.from(graph).toString('latin1').replaceAll('model.onnx', location);
  return Buffer.from(text, 'latin1');
}

function largest(segments: readonly { readonly size: number }[]): number {
  return Math.max(...segments.map(({ size }) => size));
}

test('external data is published whatever its file is called, cut at tensors, and mapped', async () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, 'model.onnx'), await splitModel('weight.bin'));
  copyFileSync(join(EXPORT, 'model.onnx'), join(folder.path, 'weight.bin'));
  for (const source of [folder.path, join(folder.path, 'model.onnx')]) {
    const artifact = await inspectArtifact(source);
    expect(artifact.files.map(({ path }) => path)).toEqual(['model.onnx', 'weight.bin']);
    const { files } = await buildManifest(artifact);
    const original = await buildManifest(await inspectArtifact(join(EXPORT, 'model.onnx')));
    // The table of words: 6000 rows of 128 floats.
    expect(largest(files[1]?.segments ?? [])).toBe(6000 * 128 * 4);
    expect(largest(original.files[0]?.segments ?? [])).toBe(6000 * 128 * 4);
  }
  const plan = await planSession(openDirectoryFiles(folder.path, ['model.onnx', 'weight.bin']));
  const session = await openSession(plan);
  const rows = goldenRows(join(EXPORT, 'golden.jsonl'));
  const found = numbers(await runBatch(session, rows, 0), 'logits');
  await session.release();
  expect(
    largestGap(
      found,
      rows.flatMap(({ logits }) => logits),
    ),
  ).toBeLessThan(1e-4);
});

test.each(['../out.bin', '/tmp/w.bin', 'absent.bin'])('external data in %s is refused at publish', async (location) => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, 'model.onnx'), await splitModel(location));
  await expect(inspectArtifact(folder.path)).rejects.toMatchObject({ code: 'INVALID_ARTIFACT' });
});

function identityModel(domain: string, opset: number): Uint8Array {
  const node = concat([bytesField(1, 'x'), bytesField(2, 'y'), bytesField(4, 'Identity'), bytesField(7, domain)]);
  const graph = concat([
    bytesField(1, node),
    bytesField(11, tensorValueInfo({ name: 'x', type: 'float32', dims: [-1] })),
    bytesField(12, tensorValueInfo({ name: 'y', type: 'float32', dims: [-1] })),
  ]);
  const opsets = concat([bytesField(1, ''), integerField(2, opset)]);
  return concat([integerField(1, 10), bytesField(7, graph), bytesField(8, opsets)]);
}

function planIdentity(domain: string, opset: number) {
  return planSession(memoryFiles({ 'model.onnx': identityModel(domain, opset) }));
}

test('custom operators and opsets newer than the runtime are refused', async () => {
  const good = await planIdentity('', 26);
  expect(good.inputs).toEqual([{ name: 'x', type: 'float32', dims: [-1] }]);
  await (await openSession(good)).release();
  await expect(planIdentity('com.example', 20)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
  await expect(planIdentity('', 27)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
});
