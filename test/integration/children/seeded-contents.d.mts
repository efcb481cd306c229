import type { MadeContents } from '../../../src/testing/index.js';

/** Bytes of each segment of {@link seededContents}. */
export declare const SEGMENT_BYTES: number;

/** Contents of 8 segments in two files that are the same in every process for the same seed. */
export declare function seededContents(seed: string): MadeContents;
