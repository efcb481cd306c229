import type { VersionFiles } from '../../core/index.js';
import type { CutPiece } from '../cutting.js';
import { onnxModelPath } from './model-path.js';
import { readOnnxModel } from './model-reader.js';

/**
 * The pieces of an ONNX file, or of a file that holds external data of one: the large initializers and what lies
 * between them. Undefined for a file that has to do with no ONNX model.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if the ONNX file is damaged
 */
export async function onnxPieces(files: VersionFiles, path: string): Promise<readonly CutPiece[] | undefined> {
  const model = path.endsWith('.onnx') ? path : onnxModelPath(files.paths);
  if (model === undefined) return undefined;
  const { large } = await readOnnxModel(files, model);
  const ranges = [...large.values()]
    .flatMap(({ data }) => (data.path === path ? [data] : []))
    .toSorted((a, b) => a.start - b.start || a.end - b.end);
  if (ranges.length === 0) return undefined;
  const pieces: CutPiece[] = [];
  let at = 0;
  for (const { start, end } of ranges) {
    if (end <= at) continue;
    if (start > at) pieces.push({ bytes: start - at, kind: path === model ? 'opaque' : 'tensor' });
    pieces.push({ bytes: end - Math.max(at, start), kind: 'tensor' });
    at = end;
  }
  return [...pieces, { bytes: (files.size(path) ?? 0) - at, kind: 'opaque' }];
}
