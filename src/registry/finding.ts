import type { Digest } from '../core/index.js';

/**
 * What can be wrong: `manifest` what a version consists of cannot be read; `missing` bytes are not there; `damaged` bytes
 * are others than were published; `dangling-alias` an alias points at nothing; `orphaned` something half stored is left;
 * `unreferenced` something whole that no version needs.
 */
export type FindingKind = 'manifest' | 'missing' | 'damaged' | 'dangling-alias' | 'orphaned' | 'unreferenced';

/** A file of a version that a finding concerns. */
export interface FindingPlace {
  /** Such as `sentiment:3`. */
  readonly version: string;
  /** The file; absent if the version as a whole is meant. */
  readonly path?: string;
}

/** Something that `verify` found. */
export interface Finding {
  readonly kind: FindingKind;
  /** `problem`: something has to be done; `note`: collecting garbage takes care of it. */
  readonly severity: 'problem' | 'note';
  /** Every version and file that needs it. */
  readonly places: readonly FindingPlace[];
  readonly segment?: Digest;
  /** The id of a version's own file that belongs to no version. */
  readonly id?: string;
  readonly bytes: number;
  /** What it means for who runs the store, in a sentence. */
  readonly meaning: string;
  /** With `repair`: whether it was mended; `repairNote` says from where, or why not. */
  readonly repaired?: boolean;
  readonly repairNote?: string;
}
