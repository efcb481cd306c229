import type { Binary, ObjectId } from 'mongodb';
import type {
  AliasPolicy,
  AliasRecord,
  AliasTraffic,
  AnnotationValue,
  Digest,
  Format,
  GateResult,
  MoveAction,
  NodeReport,
  RetentionRules,
  StoreEvent,
  VersionRecord,
  VersionState,
} from '../../core/index.js';

/**
 * Bytes of a chunk: 255 KiB, GridFS's own default, so that an allocation of a power of two holds a chunk with its
 * fields. Part of the stored layout: an interrupted upload is resumed by chunk number.
 */
export const CHUNK_BYTES = 255 * 1024;

/** A chunk of a GridFS file. */
export interface ChunkDocument {
  readonly _id?: ObjectId;
  readonly files_id: string | ObjectId;
  readonly n: number;
  readonly data: Binary;
}

/** A GridFS file: a version's own file (`_id` an ObjectId) or a segment (`_id` its digest). */
export interface FileDocument {
  readonly _id: string | ObjectId;
  readonly length: number;
  readonly chunkSize: number;
  readonly uploadDate: Date;
  readonly filename: string;
  readonly model_name?: string;
  readonly contentType?: string;
  /** `manifest`: the canonical JSON of a single-file version's manifest. */
  readonly metadata?: { readonly manifest?: string };
  /** When a publisher last stored it or relied on it, by the server's clock; absent in what earlier releases stored. */
  readonly touched_at?: Date;
  /** Of a segment: its upload has not ended. */
  readonly incomplete?: true;
  /** Of a segment that is being removed: its chunks, so that whoever comes next can finish. */
  readonly sweeping?: readonly ObjectId[];
}

/** One version. What a plain script inserts has the first three fields and no `state`; the rest is set at adoption. */
export interface StatusDocument {
  readonly _id: ObjectId;
  readonly model_name: string;
  readonly file_id: ObjectId;
  readonly inserted_time: Date;
  readonly version?: number;
  readonly digest?: Digest;
  readonly format?: Format;
  readonly task?: string;
  readonly size?: number;
  /** A collected version's document stays, so that its number is never given again and its history is whole. */
  readonly state?: VersionState | 'collected';
  /** When `state` last changed, by the server's clock. */
  readonly changed_at?: Date;
  /** Grows when an alias is moved here, so that such a move and a change of state exclude each other. */
  readonly alias_moves?: number;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly published_by?: string;
  readonly message?: string;
  readonly parent?: string;
  readonly tags?: readonly string[];
  readonly annotations?: Readonly<Record<string, AnnotationValue>>;
  /** Grows by one with each change of tags and annotations; what compare-and-set compares. */
  readonly marks_revision?: number;
  /** True once its publishing has a number in the log. */
  readonly fed?: boolean;
}

/** An event with its number in the log of all models. */
export interface FeedDocument {
  readonly _id: number;
  /** The `_id` of the event's document, or of the version's whose publishing it is. */
  readonly source: ObjectId;
  readonly event: StoreEvent;
}

/** An entry: a signature, a webhook, a lease … The value is its JSON, so that it comes back as it was. */
export interface EntryDocument {
  readonly _id: { readonly kind: string; readonly key: string };
  readonly revision: number;
  readonly value: string;
}

/** Where an alias points, what guards it, and how its requests are shared. */
export interface AliasDocument extends Omit<AliasRecord, 'model' | 'alias'> {
  readonly _id: { readonly model_name: string; readonly alias: string };
}

/** One thing that happened to a model after a version of it was published. */
export interface EventDocument {
  readonly _id: ObjectId;
  readonly kind: Exclude<StoreEvent['kind'], 'published'>;
  /** True once it has a number in the log. */
  readonly fed?: boolean;
  readonly model_name: string;
  readonly at: Date;
  readonly by?: string;
  readonly message?: string;
  readonly version?: number;
  readonly alias?: string;
  readonly from?: number;
  readonly to?: number;
  readonly added?: readonly string[];
  readonly removed?: readonly string[];
  readonly keyId?: string;
  readonly rules?: RetentionRules;
  readonly action?: MoveAction;
  readonly gates?: readonly GateResult[];
  readonly traffic?: AliasTraffic | null;
  readonly policy?: AliasPolicy;
  readonly deep?: boolean;
  readonly problems?: number;
  readonly repaired?: number;
}

/** The retention policy of a model. */
export interface RetentionDocument {
  /** The model. */
  readonly _id: string;
  readonly rules: RetentionRules;
}

/** A node's heartbeat; removed by the TTL index on `expires_at`. */
export interface NodeDocument extends Omit<NodeReport, 'node'> {
  readonly _id: string;
  readonly seen_at: Date;
  readonly expires_at: Date;
}

/** A short lease: which file id a publish that was cut off goes on with. Removed by the TTL index on `expires_at`. */
export interface LeaseDocument {
  readonly _id:
    | { readonly kind: 'publish'; readonly model_name: string; readonly digest: Digest }
    | { readonly kind: 'format' };
  readonly file_id?: ObjectId;
  readonly format?: number;
  readonly expires_at?: Date;
  /** When its publisher last went to work, by the server's clock. */
  readonly touched_at?: Date;
}

/** The content type of a version's file that holds its manifest. */
export const MANIFEST_CONTENT_TYPE = 'application/vnd.modelkeep.manifest+json';

/** Finds what a plain script inserted and nobody has adopted. A document that names no file cannot be a version. */
export const UNADOPTED = Object.freeze({
  state: Object.freeze({ $exists: false }),
  file_id: Object.freeze({ $type: 'objectId' as const }),
});

/** An adopted document as a record. A script may have left out the time: the file's id tells it too. */
export function toRecord(document: StatusDocument): VersionRecord {
  const { model_name: model, file_id: id, inserted_time: at, published_by: publishedBy } = document;
  const {
    version = 0,
    size = 0,
    digest,
    format,
    task,
    message,
    parent,
    metadata = {},
    tags = [],
    annotations = {},
    changed_at: changedAt,
  } = document;
  // Collected versions are filtered out by whoever asks for versions; in a history their state does not show.
  const state = document.state === undefined || document.state === 'collected' ? 'ready' : document.state;
  return {
    id: id.toHexString(),
    model,
    version,
    size,
    state,
    publishedAt: at instanceof Date ? at : id.getTimestamp(),
    metadata,
    ...(changedAt === undefined ? {} : { changedAt }),
    ...(digest === undefined ? {} : { digest }),
    ...(format === undefined ? {} : { format }),
    ...(task === undefined ? {} : { task }),
    ...(publishedBy === undefined ? {} : { publishedBy }),
    ...(message === undefined ? {} : { message }),
    ...(parent === undefined ? {} : { parent }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}
