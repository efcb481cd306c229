import type { ModelkeepError, Reference, VersionRecord } from '../core/index.js';
import type { SharedWork } from './shared-work.js';
import type { Target } from './target.js';

/**
 * A reference that this node keeps current. `record` is the version that answers for it now; it may have been let go for
 * room, and is loaded again when it is asked. Where the alias is split, `shares` say who answers.
 */
export interface Followed extends Target {
  readonly reference: Reference;
  /** Its canonical text. */
  readonly text: string;
  /** Since when that version answers. */
  readonly since: Date;
  /** While a swap that releases first is under way: settles when the reference can be asked again; never rejects. */
  readonly moving?: Promise<void>;
}

/**
 * How a swap treats memory. `keep-serving`: the new version is made ready beside the old one, no request waits.
 * `low-memory`: the old one is let go first, requests wait within their deadlines; for machines that cannot hold both.
 */
export type SwapMode = 'keep-serving' | 'low-memory';

/** Whether the store answers, and since when. */
export interface StoreHealth {
  readonly reachable: boolean;
  readonly since: Date;
  /** Why it does not. */
  readonly error?: string;
}

/** What a follower tells. */
export interface FollowerEvents {
  /** New requests for `text` now go to `to`. `seconds` is the time since `to` was published, by this node's clock. */
  swapped: [text: string, from: VersionRecord, to: VersionRecord, seconds: number];
  /** A reference is followed from now on. */
  opened: [Followed];
  /** The requests of an alias are shared otherwise than before, among the same versions or others. */
  traffic: [Followed];
  /** What guards the alias has changed, and nothing else. */
  policy: [Followed];
  /** A version does not give its golden answers here; `details.gates` of the error says which. Told once for each load. */
  'held-back': [text: string, error: ModelkeepError];
  /** The version that answered kept ending its runners; the one before it answers again. */
  'fell-back': [text: string, from: VersionRecord, to: VersionRecord];
  /** A newer version could not be loaded; the old one goes on serving, and it is tried again. */
  'swap-failed': [text: string, error: ModelkeepError];
  /** The store went away or came back. */
  reachable: [StoreHealth];
}

/** What a follower keeps of one reference. */
export interface Entry {
  readonly reference: Reference;
  readonly text: string;
  followed: Followed | undefined;
  /** What answered before `followed`, to fall back on. */
  previous: VersionRecord | undefined;
  /** The first load, shared by its callers. */
  opening: SharedWork<Followed> | undefined;
  /** The re-resolve under way, and whether another one is wanted after it. */
  refreshing: Promise<void> | undefined;
  again: boolean;
  /** Ends the pause after a failed swap. */
  wake: (() => void) | undefined;
  /** Times that a swap asked the store, and which of these questions `followed` answers. */
  asked: number;
  answered: number;
}
