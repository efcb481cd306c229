import type { VersionFiles } from '../core/index.js';
import { onnxPieces } from './onnx/pieces.js';
import { readSafetensorsHeader, type SafetensorsHeader } from './safetensors.js';
import type { TensorTable } from './tensor-table.js';

/** Tensors of at least this many bytes are segments of their own; smaller neighbours share one. 64 KiB. */
export const OWN_SEGMENT_MIN_BYTES = 64 * 1024;
/** Largest segment of a tensor, in bytes: 1 GiB. A tensor above it is cut and cannot be mapped in one piece. */
export const TENSOR_SEGMENT_MAX_BYTES = 1024 ** 3;
/** Largest segment of bytes whose meaning is not known: 64 MiB. */
export const OPAQUE_SEGMENT_MAX_BYTES = 64 * 1024 ** 2;

/** A run of a file's bytes between two places where it may be cut. */
export interface CutPiece {
  readonly bytes: number;
  /** `tensor`: see {@link OWN_SEGMENT_MIN_BYTES}; `opaque`: anything else, always segments of its own. */
  readonly kind: 'tensor' | 'opaque';
}

function* split(bytes: number, most: number): Generator<number> {
  for (let left = bytes; left > 0; left -= most) yield Math.min(left, most);
}

/** Sizes of the segments of a file, in order, from the pieces that it consists of. */
export function cutPieces(pieces: Iterable<CutPiece>): readonly number[] {
  const sizes: number[] = [];
  let pending = 0;
  const flush = (): void => {
    if (pending > 0) sizes.push(pending);
    pending = 0;
  };
  for (const { bytes, kind } of pieces) {
    if (kind === 'opaque') {
      flush();
      sizes.push(...split(bytes, OPAQUE_SEGMENT_MAX_BYTES));
    } else if (bytes >= OWN_SEGMENT_MIN_BYTES) {
      flush();
      sizes.push(...split(bytes, TENSOR_SEGMENT_MAX_BYTES));
    } else {
      pending += bytes;
      if (pending >= OWN_SEGMENT_MIN_BYTES) flush();
    }
  }
  flush();
  return sizes;
}

/** Where a file is cut. */
export interface CutFile {
  /** Bytes of the segments, in order; empty for an empty file. */
  readonly sizes: readonly number[];
  /** The tensors of a safetensors file. */
  readonly tensors?: TensorTable;
}

/**
 * Where a file is cut into segments, so that equal tensors of two versions are equal segments: a safetensors file
 * behind its header and at tensor boundaries, an ONNX file (and its external data) around its large initializers,
 * any other file not at all up to {@link OPAQUE_SEGMENT_MAX_BYTES}.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if the file is damaged
 */
export async function cutFile(files: VersionFiles, path: string): Promise<CutFile> {
  const size = files.size(path) ?? 0;
  if (path.endsWith('.safetensors')) {
    const header = await readSafetensorsHeader(path, size, (start, end) => files.read(path, { start, end }));
    return { sizes: cutPieces(tensorPieces(header)), tensors: header.tensors };
  }
  const pieces = await onnxPieces(files, path);
  return { sizes: cutPieces(pieces ?? [{ bytes: size, kind: 'opaque' }]) };
}

function* tensorPieces({ dataStart, tensors }: SafetensorsHeader): Generator<CutPiece> {
  yield { bytes: dataStart, kind: 'opaque' };
  for (const { start, end } of tensors.values()) yield { bytes: end - start, kind: 'tensor' };
}
