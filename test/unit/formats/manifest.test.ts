import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  contentSize,
  digestHex,
  digestOf,
  distinctSegments,
  placesOf,
  type Manifest,
} from '../../../src/core/index.js';
import {
  buildManifest,
  inspectArtifact,
  openSegmentFiles,
  planSession,
  validateArtifact,
  type Artifact,
} from '../../../src/formats/index.js';
import { goldenRows, largestGap, numbers, openSession, runBatch } from './session.js';
import { temporaryFolder } from './temporary-folder.js';

const FIXTURES = join(import.meta.dirname, '../../fixtures');

/** Writes the segments of a manifest as the cache keeps them. */
function writeSegments(artifact: Artifact, manifest: Manifest, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const file of manifest.files) {
    const bytes = readFileSync(join(artifact.directory, file.path));
    for (const { digest, offset, size } of placesOf(file)) {
      const segment = bytes.subarray(offset, offset + size);
      expect(digestOf(segment)).toBe(digest);
      writeFileSync(join(folder, digestHex(digest)), segment);
    }
  }
}

test.each(['sentiment/v2', 'sentiment/v2-onnx'])('%s answers from its segments as from its files', async (name) => {
  const artifact = await inspectArtifact(join(FIXTURES, name));
  await validateArtifact(artifact);
  const seen: number[] = [];
  const manifest = await buildManifest(artifact, { onProgress: ({ doneBytes }) => seen.push(doneBytes) });
  expect(seen.at(-1)).toBe(contentSize(manifest));
  using temporary = temporaryFolder();
  writeSegments(artifact, manifest, temporary.path);
  const files = openSegmentFiles(manifest, temporary.path);
  const config = await files.read('config.json');
  expect(config).toEqual(readFileSync(join(FIXTURES, name, 'config.json')));
  const plan = await planSession(files);
  expect(plan.externalDataFolder).toBe(temporary.path);
  expect(plan.graph).toEqual((await planSession(files)).graph);
  // The weights have 4.8 MB; they are mapped, not copied.
  expect(plan.graph.byteLength).toBeLessThan(300_000);
  const session = await openSession(plan);
  const rows = goldenRows(join(FIXTURES, name, 'golden.jsonl'));
  const results = await runBatch(session, rows, 0);
  await session.release();
  const expected = rows.flatMap((row) => row.logits);
  expect(largestGap(numbers(results, 'logits'), expected)).toBeLessThan(1e-4);
});

async function manifestOf(name: string): Promise<Manifest> {
  return buildManifest(await inspectArtifact(join(FIXTURES, 'sentiment', name)));
}

test('versions that differ in the head share all segments but those of the head', async () => {
  const [first, second] = await Promise.all([manifestOf('v2'), manifestOf('v3-head')]);
  const known = new Set(distinctSegments(first).map(({ digest }) => digest));
  const weights = second.files.find(({ path }) => path === 'model.safetensors');
  const fresh = (weights?.segments ?? []).filter(({ digest }) => !known.has(digest));
  expect(fresh.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(100_000);
});

test('what training leaves beside the model is not part of a version', async () => {
  using temporary = temporaryFolder();
  const source = join(FIXTURES, 'archs/bert');
  for (const name of ['config.json', 'model.safetensors', 'tokenizer.json']) {
    copyFileSync(join(source, name), join(temporary.path, name));
  }
  for (const name of ['optimizer.pt', 'scheduler.pt', 'rng_state_0.pth', 'pytorch_model.bin', 'training_args.bin']) {
    writeFileSync(join(temporary.path, name), 'state');
  }
  for (const folder of ['.git', 'runs', 'checkpoint-500']) {
    mkdirSync(join(temporary.path, folder));
    writeFileSync(join(temporary.path, folder, 'file'), 'log');
  }
  writeFileSync(join(temporary.path, 'trainer_state.json'), '{}');
  const { files, format } = await inspectArtifact(temporary.path);
  expect(format).toBe('hf');
  expect(files.map(({ path }) => path)).toEqual([
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'trainer_state.json',
  ]);
});
