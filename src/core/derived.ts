import type { FileSpan } from './contents.js';
import type { Digest } from './digest.js';
import type { Segment } from './manifest.js';
import type { Abortable } from './store.js';

/** Bytes that a tensor is made from: a part of a file that is named by its digest. */
export interface SourceBytes {
  readonly digest: Digest;
  /** First byte, counted from the beginning of that file. */
  readonly start: number;
  /** The byte behind the last. */
  readonly end: number;
}

/** A tensor that can be made again at any time: the same sources and recipe give the same bytes. */
export interface TensorRecipe {
  /** Everything that decides the bytes besides the sources, such as `int8 rows [768, 3072] F32, 8 bits, 1`. */
  readonly recipe: string;
  readonly sources: readonly SourceBytes[];
  /** Makes the bytes; called only where they are not on this machine yet. */
  readonly make: () => Promise<Uint8Array>;
}

/** A made tensor: a file of the node's cache that is named by its digest and begins with the bytes. */
export type DerivedTensor = Segment & FileSpan;

/** Finds a tensor on this machine, or makes it there, once for all processes and for all versions that share its sources. */
export type DeriveTensor = (recipe: TensorRecipe, options?: Abortable) => Promise<DerivedTensor>;
