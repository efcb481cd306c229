import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DerivedTensors } from '../../../src/cache/index.js';
import { digestHex, type Manifest, type VersionFiles } from '../../../src/core/index.js';
import {
  buildManifest,
  inspectArtifact,
  openDirectoryFiles,
  openSegmentFiles,
  planSession,
  type SessionPlan,
  type WeightBits,
} from '../../../src/formats/index.js';
import type { Precision } from '../../../src/core/index.js';

/** A model cut into the segments of a cache, as a node has it. */
export interface SegmentedModel {
  readonly manifest: Manifest;
  readonly files: VersionFiles;
  readonly segmentsFolder: string;
  /** @param wordsApart as of `planSession` */
  plan(precision: Precision, weightBits?: WeightBits, wordsApart?: number): Promise<SessionPlan>;
}

/** Cuts the model of a folder into segments in `cacheFolder`. */
export async function segmentModel(directory: string, cacheFolder: string): Promise<SegmentedModel> {
  const artifact = await inspectArtifact(directory);
  const manifest = await buildManifest(artifact);
  const published = openDirectoryFiles(
    artifact.directory,
    artifact.files.map(({ path }) => path),
  );
  const segmentsFolder = join(cacheFolder, 'segments');
  await mkdir(segmentsFolder, { recursive: true });
  for (const { path, segments } of manifest.files) {
    let start = 0;
    for (const { digest, size } of segments) {
      const bytes = await published.read(path, { start, end: start + size });
      await writeFile(join(segmentsFolder, digestHex(digest)), bytes);
      start += size;
    }
  }
  const files = openSegmentFiles(manifest, segmentsFolder);
  const { derive } = await DerivedTensors.open(cacheFolder);
  return {
    manifest,
    files,
    segmentsFolder,
    plan: (precision, weightBits = 8, wordsApart = Number.POSITIVE_INFINITY) =>
      planSession(files, { precision, weightBits, derive, wordsApart }),
  };
}
