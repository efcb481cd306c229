import type { AliasPolicy, AliasTraffic, MoveAction } from './alias.js';
import type { Digest } from './digest.js';
import type { GateResult } from './gate.js';
import type { Format } from './manifest.js';
import type { AnnotationValue } from './metadata.js';

/**
 * `ready` can be loaded; `archived` is kept but no longer counts as latest; `deleted` means nothing any more, but can be
 * restored until its data is collected.
 */
export type VersionState = 'ready' | 'archived' | 'deleted';

/** What a store knows of one version without opening its contents. Immutable but for `state`, `tags` and `annotations`. */
export interface VersionRecord {
  /** The `_id` in the store: 24 hexadecimal digits, unique in it and never reused. */
  readonly id: string;
  readonly model: string;
  /** 1, 2, 3 … per model; never reused. */
  readonly version: number;
  /** The manifest's digest. Absent only for a version that a plain script stored and nobody has read yet. */
  readonly digest?: Digest;
  /** Absent like `digest`. */
  readonly format?: Format;
  readonly task?: string;
  /** Bytes of all its files. */
  readonly size: number;
  readonly state: VersionState;
  /** When `state` last changed, by the store's clock; absent if it never did. */
  readonly changedAt?: Date;
  readonly publishedAt: Date;
  readonly publishedBy?: string;
  /** Why it was published, in the publisher's words. */
  readonly message?: string;
  /** The reference of the version it was made from, such as `sentiment:3`. */
  readonly parent?: string;
  /** Facts of the time of publishing, at most 1 MiB as JSON; see `checkMetadata`. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Marks that may be changed at any time; sorted, absent: none. */
  readonly tags?: readonly string[];
  /** Facts that may be changed at any time; absent: none. */
  readonly annotations?: Readonly<Record<string, AnnotationValue>>;
}

/** What a verification found of one version. */
export interface VerifiedFacts {
  /** Whether every byte was read. */
  readonly deep: boolean;
  /** What is missing or damaged, and was not mended. */
  readonly problems: number;
  /** What was missing or damaged, and was mended. */
  readonly repaired: number;
}

/** What happened to a model, oldest first in a history. */
export type StoreEvent = {
  readonly id: string;
  readonly at: Date;
  readonly model: string;
  /** Who did it, where known. */
  readonly by?: string;
  readonly message?: string;
} & (
  | { readonly kind: 'published'; readonly version: number }
  | {
      readonly kind: 'alias-moved';
      readonly alias: string;
      readonly from?: number;
      readonly to: number;
      readonly action?: MoveAction;
      /** What the gates of the alias found. */
      readonly gates?: readonly GateResult[];
    }
  /** How the requests of an alias are shared; `null`: all go to its version. */
  | { readonly kind: 'alias-traffic'; readonly alias: string; readonly traffic: AliasTraffic | null }
  | { readonly kind: 'alias-policy'; readonly alias: string; readonly policy: AliasPolicy }
  /** A version was held back: at a promotion, or by the node `by` that would have served it. */
  | {
      readonly kind: 'gate-failed';
      readonly alias?: string;
      readonly version: number;
      readonly gates: readonly GateResult[];
    }
  | { readonly kind: 'alias-removed'; readonly alias: string; readonly from: number }
  | { readonly kind: 'archived' | 'restored' | 'deleted' | 'collected'; readonly version: number }
  | ({ readonly kind: 'verified'; readonly version: number } & VerifiedFacts)
  | { readonly kind: 'retention-set'; readonly rules: RetentionRules }
  | {
      readonly kind: 'annotated';
      readonly version: number;
      /** Tags that came, and annotations that were set, as `key=`. */
      readonly added: readonly string[];
      readonly removed: readonly string[];
    }
  | { readonly kind: 'signed' | 'signature-removed'; readonly version: number; readonly keyId: string }
);

/** Every kind of event, with what it says. */
export const EVENT_KINDS: Readonly<Record<StoreEvent['kind'], string>> = Object.freeze({
  published: 'a version was published',
  'alias-moved': 'an alias was pointed at a version',
  'alias-traffic': 'how the requests of an alias are shared was changed',
  'alias-policy': 'what guards an alias was changed',
  'gate-failed': 'a gate held a version back',
  'alias-removed': 'an alias was removed',
  archived: 'a version was archived',
  restored: 'a version was restored',
  deleted: 'a version was deleted',
  collected: 'the data of a deleted version was collected',
  verified: 'what is stored of a version was checked',
  'retention-set': 'the retention policy of a model was changed',
  annotated: 'tags or annotations of a version were changed',
  signed: 'a version was signed',
  'signature-removed': 'a signature of a version was removed',
});

/** An event with its place in the log of everything that happens in a store. */
export interface FeedEvent {
  /** 1, 2, 3 … over all models, in the order in which it became known. */
  readonly sequence: number;
  readonly event: StoreEvent;
}

/** Which versions of a model are kept; a version that no rule keeps is let go, step by step, by collecting garbage. */
export interface RetentionRules {
  /** Keep the newest versions, so many; deleted ones do not count. */
  readonly keepLast?: number;
  /** Keep also the version that each alias pointed at before its last move, so that it can be rolled back. */
  readonly keepAliased?: boolean;
  /** Keep versions that were published less than so many milliseconds ago. */
  readonly keepYoungerThanMs?: number;
}

/** The rules of one model. Without a policy nothing is let go but what somebody deleted. */
export interface RetentionPolicy extends RetentionRules {
  readonly model: string;
}

/** What one node holds: its heartbeat. */
export interface NodeReport {
  /** Unique per process start. */
  readonly node: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: Date;
  /** Resident versions and the state each is in. */
  readonly holds: readonly {
    readonly model: string;
    readonly version: number;
    readonly state: string;
    readonly since: Date;
    /** The precision in which it answers there, known from `loading` on. */
    readonly precision?: string;
    /** True if its compiled form answers. */
    readonly compiled?: boolean;
  }[];
  /** What each followed reference resolves to on that node, and since when. */
  readonly follows: readonly { readonly reference: string; readonly version: number; readonly since: Date }[];
}

/** The canonical text of a version: `sentiment:3`. */
export function versionName(record: Pick<VersionRecord, 'model' | 'version'>): string {
  return `${record.model}:${record.version}`;
}
