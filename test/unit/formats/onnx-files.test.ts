import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildManifest, inspectArtifact, openDirectoryFiles, planSession } from '../../../src/formats/index.js';
import { memoryFiles } from './memory-files.js';
import { oneNodeModel } from './onnx-model.js';
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

function planIdentity(domain: string, opset: number) {
  return planSession(memoryFiles({ 'model.onnx': oneNodeModel({ op: 'Identity', domain, opsets: { '': opset } }) }));
}

test('custom operators and opsets newer than the runtime are refused', async () => {
  const good = await planIdentity('', 26);
  expect(good.inputs).toEqual([{ name: 'x', type: 'float32', dims: [-1] }]);
  await (await openSession(good)).release();
  await expect(planIdentity('com.example', 20)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
  await expect(planIdentity('', 27)).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
});
