import type { ArtifactFile } from './artifact.js';
import { OWN_SEGMENT_MIN_BYTES } from './cutting.js';
import { readSafetensorsHeader, type StoredTensor } from './safetensors.js';
import { openDirectoryFiles } from './version-files.js';

/** Most bytes that are looked at. */
const MAX_SAMPLED_BYTES = 16 * 1024 * 1024;

/** True if a float of this dtype in `bytes` is not finite: all bits of its exponent are set. */
function hasNonFinite(bytes: Buffer, dtype: StoredTensor['dtype']): boolean {
  // The upper 16 bits of a float decide in F32 as in BF16, which is the upper half of an F32.
  const width = dtype === 'F32' ? 4 : 2;
  const exponent = dtype === 'F16' ? 0x7c00 : 0x7f80;
  for (let at = width - 2; at + 2 <= bytes.length; at += width) {
    if ((bytes.readUInt16LE(at) & exponent) === exponent) return true;
  }
  return false;
}

/** Blocks of a large tensor that are looked at, spread over it, and the bytes of each. */
const BLOCKS = 8;
const BLOCK_BYTES = 4_096;

/** The parts of a tensor that are looked at: all of a small one. */
function sampleOf({ start, end }: StoredTensor): readonly (readonly [number, number])[] {
  if (end - start < OWN_SEGMENT_MIN_BYTES) return [[start, end]];
  const step = Math.floor((end - start - BLOCK_BYTES) / (BLOCKS - 1) / BLOCK_BYTES) * BLOCK_BYTES;
  return Array.from({ length: BLOCKS }, (_, at) => [start + at * step, start + at * step + BLOCK_BYTES]);
}

/**
 * Warns of weights that are NaN or infinite. Looks at all of the small tensors (biases, norms, heads) and at a few
 * pages of each large one, so that it costs milliseconds whatever the model's size: training that diverges spoils whole
 * tensors. A few numbers that alone are spoiled in a large tensor are not seen.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if a weight file is damaged
 */
export async function numberWarnings(directory: string, files: readonly ArtifactFile[]): Promise<readonly string[]> {
  const warnings: string[] = [];
  let sampled = 0;
  for (const { path, size } of files.filter((file) => file.path.endsWith('.safetensors'))) {
    const source = openDirectoryFiles(directory, [path]);
    const { tensors } = await readSafetensorsHeader(path, size, (start, end) => source.read(path, { start, end }));
    for (const tensor of tensors.values()) {
      const { name, dtype } = tensor;
      if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') continue;
      for (const [start, end] of sampleOf(tensor)) {
        if (sampled > MAX_SAMPLED_BYTES) return warnings;
        sampled += end - start;
        if (!hasNonFinite(await source.read(path, { start, end }), dtype)) continue;
        warnings.push(`Tensor "${name}" of ${path} holds NaN or infinite numbers: its answers will be NaN`);
        break;
      }
    }
  }
  return warnings;
}
