import type { Manifest, Segment } from './manifest.js';
import type { Abortable, ContentSource, TransferProgress } from './store.js';
import type { RetentionPolicy, StoreEvent, VerifiedFacts, VersionRecord } from './version.js';

/** Something that a store holds under a name of its own: a segment, or the file of one version. */
export interface StoredData {
  /** The digest of a segment, or the id of the version whose own file it is. */
  readonly id: string;
  readonly kind: 'segment' | 'version';
  /** Bytes that it takes, as far as the store knows without reading it. */
  readonly bytes: number;
  /** When a publisher last stored it or relied on it, by the store's clock. */
  readonly touchedAt: Date;
  /** False for what an upload that was cut off, or a collector that was, has left. */
  readonly isWhole: boolean;
}

/** What was found of a version, and who looked. */
export interface VerifiedVersion extends VerifiedFacts {
  readonly model: string;
  readonly version: number;
  readonly by?: string;
}

/** Options of {@link StoreCare.repair}. */
export interface RepairOptions extends Abortable {
  /** Look at these segments only. @defaultValue all of the version */
  readonly segments?: readonly Segment[];
  readonly onProgress?: (progress: TransferProgress) => void;
}

/**
 * What a store offers to those who look after the data in it: who verifies, repairs, collects garbage and copies.
 *
 * Collecting is safe among publishers on other machines by three rules. A publisher touches everything its version
 * needs, also what it only reuses, before it looks for what is missing and again when it commits. A collector takes
 * the time first, then marks what versions need, and removes only what was last touched a grace time before that;
 * touching and removing one thing exclude each other. So what a collector did not see marked was touched too lately
 * for it to remove. Readers are protected by the grace time alone.
 */
export interface StoreCare {
  /** The store's clock. Never goes back in an embedded store; the server's own in MongoDB. */
  now(options?: Abortable): Promise<Date>;

  /** Everything that is stored for versions, needed or not. What other software keeps beside it is not listed. */
  listStored(options?: Abortable): AsyncIterable<StoredData>;

  /**
   * The bytes of a stored segment, whichever version needs it, checked as by `VersionStore.readSegment`. Segments of
   * single-file versions in MongoDB are not stored under their digest.
   *
   * @throws ModelkeepError `DIGEST_MISMATCH` for missing, truncated or altered bytes
   */
  readStored(segment: Segment, options?: Abortable): AsyncIterable<Uint8Array>;

  /**
   * Removes those of the given ids that were last touched before `before`; others stay. The caller has seen, after
   * the time `before`, that no version needs them. Half-removed data is never taken for whole, and a removal that
   * was cut off is finished by the next.
   *
   * @returns the ids that are gone
   */
  removeStored(
    ids: readonly string[],
    options: Abortable & {
      /** By the store's clock. */
      readonly before: Date;
    },
  ): Promise<readonly string[]>;

  /**
   * Ends a deleted version for good, if it was deleted before `before`: its record is no longer found and it cannot be
   * restored; its number is never given again and its history stays. Its data is then needed by no version.
   *
   * @returns false if it is not deleted, was deleted later, or is gone already
   */
  collectVersion(
    model: string,
    version: number,
    options: Abortable & { readonly before: Date; readonly by?: string },
  ): Promise<boolean>;

  /**
   * Checks what is stored of a version against its manifest and stores again what is missing or damaged, the manifest
   * included. Good bytes are left alone.
   *
   * @param manifest must be that of the version: its digest is checked
   * @param source asked for the damaged parts; for a single-file version in MongoDB, for the whole file
   * @returns the bytes of contents that were written
   * @throws ModelkeepError `DIGEST_MISMATCH` if `manifest` or the source's bytes are not those that were published
   */
  repair(
    record: VersionRecord,
    manifest: Manifest,
    source: ContentSource,
    options?: RepairOptions,
  ): Promise<{ readonly sentBytes: number }>;

  /** Records what a verification found of a version. Changes nothing else. @throws ModelkeepError `VERSION_NOT_FOUND` */
  recordVerified(verified: VerifiedVersion, options?: Abortable): Promise<void>;

  /** The retention policies of models that have one; by model. */
  listRetention(options?: Abortable): Promise<readonly RetentionPolicy[]>;

  /** Sets or (with no rule at all) removes the retention policy of a model, and records that in its history. */
  setRetention(
    policy: RetentionPolicy,
    options?: Abortable & { readonly by?: string; readonly message?: string },
  ): Promise<void>;

  /**
   * Appends events that happened elsewhere to the history of a model, with their times and ids; those whose id is
   * there already are passed over. `published` events are told by the versions themselves and are passed over too.
   *
   * @returns how many were new
   */
  importEvents(events: readonly StoreEvent[], options?: Abortable): Promise<number>;
}
