import {
  isSingleFile,
  ModelkeepError,
  placesOf,
  throwIfAborted,
  versionName,
  type Abortable,
  type AliasRecord,
  type Digest,
  type Manifest,
  type SegmentPlace,
  type StoredData,
  type VersionRecord,
  type VersionStore,
} from '../core/index.js';
import type { Finding, FindingPlace } from './finding.js';
import { repairVersion } from './repair.js';
import { throttle } from './throttle.js';
import { recordVerified } from './verify-record.js';
import type { Verified, VerifyOptions } from './verify-options.js';

export type { Verified, VerifyOptions } from './verify-options.js';

/** Segments that are read at once, unless somebody says otherwise: enough to keep a disk busy, not a server. */
const DEFAULT_CONCURRENCY = 2;

/** A segment, and every place that needs it. */
interface Needed {
  /** A store may keep a single-file version as that file: then its segments are its own, shared with nobody. */
  readonly single: boolean;
  readonly record: VersionRecord;
  readonly place: SegmentPlace;
  readonly places: FindingPlace[];
}

/**
 * Checks what is stored of one version or of all: that every manifest is the one that was published, that every
 * segment is there, and with `deep` that every byte is. Tells also what no version needs. Works on a live store.
 *
 * @throws ModelkeepError what resolving the reference says; `STORE_UNAVAILABLE` … if the store fails. What is wrong
 * with the data is a finding, not an error
 */
export async function verify(store: VersionStore, options: VerifyOptions = {}): Promise<Verified> {
  const run = new Verification(store, options);
  await run.readManifests();
  await run.checkSegments();
  if (options.reference === undefined) await run.checkRest();
  if (options.repair === true) await run.repair();
  return options.record === true ? recordVerified(store, run.records, run.result(), options) : run.result();
}

class Verification {
  readonly #store: VersionStore;
  readonly #options: VerifyOptions;
  readonly #abortable: Abortable;
  readonly #findings: Finding[] = [];
  readonly #manifests = new Map<string, { readonly record: VersionRecord; readonly manifest: Manifest }>();
  readonly #unreadable: VersionRecord[] = [];
  readonly #needed = new Map<string, Needed>();
  readonly #digests = new Set<string>();
  readonly #stored = new Map<string, StoredData>();
  #readBytes = 0;
  #skippedBytes = 0;

  constructor(store: VersionStore, options: VerifyOptions) {
    this.#store = store;
    this.#options = options;
    this.#abortable = options.signal === undefined ? {} : { signal: options.signal };
  }

  /** The versions that are checked. */
  get records(): readonly VersionRecord[] {
    return [...this.#unreadable, ...[...this.#manifests.values()].map(({ record }) => record)];
  }

  async readManifests(): Promise<void> {
    const { reference } = this.#options;
    const records =
      reference === undefined
        ? await this.#store.listVersions({ deleted: true }, this.#abortable)
        : [await this.#store.resolve(reference, this.#abortable)];
    for (const record of records) {
      throwIfAborted(this.#abortable.signal);
      await this.#readManifest(record);
    }
    // After the manifests: what is published meanwhile is then seen as stored, not as missing.
    for await (const data of this.#store.listStored(this.#abortable)) this.#stored.set(data.id, data);
  }

  async #readManifest(record: VersionRecord): Promise<void> {
    try {
      const manifest = await this.#store.readManifest(record, this.#abortable);
      this.#manifests.set(record.id, { record, manifest });
      const single = isSingleFile(manifest);
      for (const file of manifest.files) {
        for (const place of placesOf(file)) {
          const where = { version: versionName(record), path: file.path };
          const key = single ? `${record.id} ${place.digest}` : place.digest;
          const needed = this.#needed.get(key);
          this.#digests.add(place.digest);
          if (needed === undefined) this.#needed.set(key, { single, record, place, places: [where] });
          else if (!needed.places.some((one) => one.version === where.version && one.path === where.path))
            needed.places.push(where);
        }
      }
    } catch (error) {
      if (!isCode(error, 'DIGEST_MISMATCH', 'INVALID_ARTIFACT', 'UNSUPPORTED_FORMAT')) {
        // It was collected meanwhile.
        if (isCode(error, 'VERSION_NOT_FOUND')) return;
        throw error;
      }
      this.#unreadable.push(record);
      this.#findings.push({
        kind: 'manifest',
        severity: 'problem',
        places: [{ version: versionName(record) }],
        bytes: 0,
        meaning: `It cannot be loaded, and gc removes nothing until it is mended or deleted: ${error.message}`,
      });
    }
  }

  async checkSegments(): Promise<void> {
    const { deep = false, concurrency = DEFAULT_CONCURRENCY } = this.#options;
    const all = [...this.#needed.values()];
    if (!deep) {
      for (const needed of all) await this.#checkShallow(needed);
      return;
    }
    const totalBytes = all.reduce((sum, { place }) => sum + place.size, 0);
    const queue = all[Symbol.iterator]();
    const pace = throttle(this.#options.bytesPerSecond);
    const onBytes = async (bytes: number): Promise<void> => {
      this.#readBytes += bytes;
      this.#options.onProgress?.({ doneBytes: this.#readBytes + this.#skippedBytes, totalBytes });
      await pace(bytes, this.#abortable.signal);
    };
    const work = async (): Promise<void> => {
      for (const needed of queue) await this.#checkDeep(needed, onBytes);
    };
    await Promise.all(Array.from({ length: Math.max(1, concurrency) }, work));
  }

  async #checkShallow(needed: Needed): Promise<void> {
    const { place } = needed;
    const data = this.#stored.get(place.digest);
    if (data !== undefined) {
      if (!data.isWhole || data.bytes !== place.size) await this.#found(needed, 'missing', 'it is not stored whole');
      return;
    }
    // The end of a file that is stored as such tells that it is there.
    const why = needed.single ? await this.#read(needed, place.size - 1) : 'it is not stored';
    if (why !== undefined) await this.#found(needed, 'missing', why);
  }

  async #checkDeep(needed: Needed, onBytes: (bytes: number) => Promise<void>): Promise<void> {
    const { digest, size } = needed.place;
    throwIfAborted(this.#abortable.signal);
    if (!needed.single && this.#options.verified?.has(digest) === true) {
      this.#skippedBytes += size;
      return;
    }
    const why = await this.#read(needed, 0, onBytes);
    if (why === undefined) this.#options.verified?.add(digest);
    else await this.#found(needed, this.#stored.get(digest)?.isWhole === true ? 'damaged' : 'missing', why);
  }

  /** Reads a segment; why it cannot be, or undefined. */
  async #read(
    { record, place }: Needed,
    start: number,
    onBytes: (bytes: number) => Promise<void> = () => Promise.resolve(),
  ): Promise<string | undefined> {
    try {
      for await (const bytes of this.#store.readSegment(record, place, { start, ...this.#abortable }))
        await onBytes(bytes.byteLength);
      return undefined;
    } catch (error) {
      if (isCode(error, 'DIGEST_MISMATCH')) return error.message;
      throw error;
    }
  }

  async #found({ record, place, places }: Needed, kind: 'missing' | 'damaged', why: string): Promise<void> {
    if (await this.#isGone(record)) return;
    const names = [...new Set(places.map(({ version }) => version))].join(', ');
    this.#findings.push({
      kind,
      severity: 'problem',
      places,
      segment: place.digest,
      bytes: place.size,
      meaning: `${names} cannot be loaded by a node that does not hold it: ${why}`,
    });
  }

  /** True if a version was collected since it was listed: then its data may be gone too. */
  async #isGone(record: VersionRecord): Promise<boolean> {
    const { model, version } = record;
    const versions = await this.#store.listVersions({ model, deleted: true }, this.#abortable);
    return !versions.some((one) => one.version === version);
  }

  /** What belongs to no version: aliases that point at nothing, and data. */
  async checkRest(): Promise<void> {
    for (const alias of await this.#store.listAliases({}, this.#abortable)) {
      // Asked after the alias was read, and the alias once more: it may move at any time.
      if (await this.#pointsAtSomething(alias)) continue;
      this.#findings.push({
        kind: 'dangling-alias',
        severity: 'problem',
        places: [{ version: versionName(alias) }],
        bytes: 0,
        meaning: `"${alias.model}@${alias.alias}" points at a version that is not there: move or remove the alias`,
      });
    }
    for (const data of this.#stored.values()) await this.#checkStored(data);
  }

  async #pointsAtSomething({ model, alias, revision }: AliasRecord): Promise<boolean> {
    try {
      await this.#store.resolve({ model, selector: { kind: 'alias', alias } }, this.#abortable);
      return true;
    } catch (error) {
      if (!isCode(error, 'VERSION_NOT_FOUND', 'ALIAS_NOT_FOUND', 'MODEL_NOT_FOUND')) throw error;
      const now = (await this.#store.listAliases({ model }, this.#abortable)).find((one) => one.alias === alias);
      return now === undefined || now.revision !== revision;
    }
  }

  async #checkStored({ id, kind, bytes, isWhole }: StoredData): Promise<void> {
    if (this.#digests.has(id) || this.#manifests.has(id) || this.#unreadable.some((one) => one.id === id)) return;
    const what = kind === 'segment' ? { segment: id as Digest } : { id };
    this.#findings.push({
      kind: isWhole ? 'unreferenced' : 'orphaned',
      severity: 'note',
      places: [],
      bytes,
      ...what,
      meaning: isWhole
        ? 'No version needs it: a deleted version or a publish that did not end has left it. gc removes it after the grace time'
        : 'A publish or a removal that was cut off has left it; a repeated publish goes on with it, gc removes it after the grace time',
    });
  }

  /** Mends the manifests and segments of versions, one version after the other. */
  async repair(): Promise<void> {
    const { sources = [] } = this.#options;
    const broken = this.#findings.filter(({ kind }) => kind === 'manifest' || kind === 'missing' || kind === 'damaged');
    for (const record of this.records) {
      const name = versionName(record);
      const own = broken.filter(({ places, repaired }) => !repaired && places.some(({ version }) => version === name));
      if (own.length === 0) continue;
      const manifest = this.#manifests.get(record.id)?.manifest;
      const known = manifest === undefined ? {} : { manifest };
      const damaged = new Set(own.flatMap(({ segment }) => (segment === undefined ? [] : [segment])));
      const mended = await repairVersion(this.#store, record, damaged, { sources, ...known, ...this.#abortable });
      for (const finding of own) Object.assign(finding, mended);
    }
  }

  result(): Verified {
    const deep = this.#options.deep === true;
    return {
      deep,
      versions: this.#manifests.size + this.#unreadable.length,
      segments: this.#needed.size,
      readBytes: this.#readBytes,
      skippedBytes: this.#skippedBytes,
      findings: this.#findings,
      problems: this.#findings.filter(({ severity, repaired }) => severity === 'problem' && repaired !== true).length,
    };
  }
}

function isCode(error: unknown, ...codes: readonly string[]): error is ModelkeepError {
  return error instanceof ModelkeepError && codes.includes(error.code);
}
