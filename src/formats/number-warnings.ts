import type { ArtifactFile } from './artifact.js';
import { OWN_SEGMENT_MIN_BYTES } from './cutting.js';
import { readSafetensorsHeader, type StoredTensor } from './safetensors.js';
import { openDirectoryFiles } from './version-files.js';

/** Most bytes that are looked at: training that diverges spoils biases and norms too, so a sample of them tells. */
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

/**
 * Warns of weights that are NaN or infinite. Looks at the small tensors only (biases, norms, heads), so that it costs
 * a few milliseconds whatever the model's size; a large tensor that alone is spoiled is not seen.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if a weight file is damaged
 */
export async function numberWarnings(directory: string, files: readonly ArtifactFile[]): Promise<readonly string[]> {
  const warnings: string[] = [];
  let sampled = 0;
  for (const { path, size } of files.filter((file) => file.path.endsWith('.safetensors'))) {
    const source = openDirectoryFiles(directory, [path]);
    const { tensors } = await readSafetensorsHeader(path, size, (start, end) => source.read(path, { start, end }));
    for (const { name, dtype, start, end } of tensors.values()) {
      const isFloat = dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
      if (!isFloat || end - start >= OWN_SEGMENT_MIN_BYTES || sampled > MAX_SAMPLED_BYTES) continue;
      sampled += end - start;
      if (hasNonFinite(await source.read(path, { start, end }), dtype)) {
        warnings.push(`Tensor "${name}" of ${path} holds NaN or infinite numbers: its answers will be NaN`);
      }
    }
  }
  return warnings;
}
