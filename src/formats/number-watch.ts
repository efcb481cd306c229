import { OWN_SEGMENT_MIN_BYTES } from './cutting.js';
import type { StoredTensor } from './tensor-table.js';

/** Most bytes of a file that are looked at. */
const MAX_SAMPLED_BYTES = 16 * 1024 * 1024;
/** Blocks of a large tensor that are looked at, spread over it, and the bytes of each. */
const BLOCKS = 8;
const BLOCK_BYTES = 4_096;

/** A part of a tensor that is looked at. */
interface Sample {
  readonly tensor: StoredTensor;
  readonly start: number;
  readonly end: number;
}

/** The parts of a tensor that are looked at: all of a small one. */
function samplesOf(tensor: StoredTensor): readonly Sample[] {
  const { start, end, dtype } = tensor;
  if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') return [];
  if (end - start < OWN_SEGMENT_MIN_BYTES) return [{ tensor, start, end }];
  const step = Math.floor((end - start - BLOCK_BYTES) / (BLOCKS - 1) / BLOCK_BYTES) * BLOCK_BYTES;
  return Array.from({ length: BLOCKS }, (_, at) => {
    return { tensor, start: start + at * step, end: start + at * step + BLOCK_BYTES };
  });
}

/** True if a float of this dtype that lies whole between two places of `bytes` is not finite. */
function hasNonFinite(bytes: Buffer, from: number, to: number, dtype: StoredTensor['dtype']): boolean {
  // The upper 16 bits of a float decide in F32 as in BF16, which is the upper half of an F32: all bits of its exponent.
  const width = dtype === 'F32' ? 4 : 2;
  const exponent = dtype === 'F16' ? 0x7c00 : 0x7f80;
  for (let at = from + width - 2; at + 2 <= to; at += width) {
    const upper = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
    if ((upper & exponent) === exponent) return true;
  }
  return false;
}

/**
 * Looks for weights that are NaN or infinite in the bytes of a safetensors file while they stream by to be hashed, so
 * that nothing is read twice. Looks at all of the small tensors (biases, norms, heads) and at a few pages of each large
 * one: training that diverges spoils whole tensors. A few numbers that alone are spoiled in a large tensor are not seen,
 * nor is one that lies across the border of two parts.
 */
export class NumberWatch {
  readonly #path: string;
  /** In the order of the file. */
  readonly #samples: readonly Sample[];
  readonly #spoiled = new Set<StoredTensor>();

  /** @param tensors those of the file, in the order of their bytes */
  constructor(path: string, tensors: Iterable<StoredTensor>) {
    this.#path = path;
    const samples: Sample[] = [];
    let bytes = 0;
    for (const tensor of tensors) {
      for (const sample of samplesOf(tensor)) {
        if ((bytes += sample.end - sample.start) > MAX_SAMPLED_BYTES) break;
        samples.push(sample);
      }
    }
    this.#samples = samples;
  }

  /** Takes a part of the file, wherever it begins. */
  see(part: Buffer, at: number): void {
    for (let index = this.#firstBehind(at); index < this.#samples.length; index++) {
      const { tensor, start, end } = this.#samples[index] as Sample;
      if (start >= at + part.length) return;
      if (this.#spoiled.has(tensor)) continue;
      const width = tensor.dtype === 'F32' ? 4 : 2;
      const from = start >= at ? start - at : (width - ((at - start) % width)) % width;
      if (hasNonFinite(part, from, Math.min(end - at, part.length), tensor.dtype)) this.#spoiled.add(tensor);
    }
  }

  /** What is odd, as sentences. */
  get warnings(): readonly string[] {
    return [...this.#spoiled].map(
      ({ name }) => `Tensor "${name}" of ${this.#path} holds NaN or infinite numbers: its answers will be NaN`,
    );
  }

  /** The first sample that ends behind a place. */
  #firstBehind(at: number): number {
    let low = 0;
    let high = this.#samples.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#samples[middle] as Sample).end <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
