import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { VersionRecord } from '../core/index.js';
import type { ServedForm } from '../residency/index.js';
import type { TaskRequest } from '../tasks/index.js';
import type { Answered } from './queue.js';
import { within } from './within.js';

/** Largest answer that is kept, in bytes: 1 MiB. */
const MAX_ANSWER_BYTES = 1024 * 1024;
/** What an entry takes besides its answer: key, links, numbers. */
const ENTRY_BYTES = 400;

/** How a request was answered. */
export type CacheOutcome = 'hit' | 'miss' | 'joined';

/** What an answer is a function of. */
export interface CacheSubject {
  readonly record: VersionRecord;
  readonly form: Pick<ServedForm, 'precision'>;
  readonly request: TaskRequest;
  /** Which models the caller may use: callers of other rights share nothing, so that no time tells of them. */
  readonly rights: string;
}

/** What is kept of an answer. */
type Kept = Pick<Answered, 'output' | 'tokens'>;

/** What the cache holds and did. */
export interface AnswerCacheCounts {
  readonly entries: number;
  readonly bytes: number;
  readonly evictions: number;
}

/** An answer that no run gave. */
const NO_TIME = Object.freeze({ queueMs: 0, tokenizeMs: 0, runMs: 0 });

/** JSON with the keys of objects in order, so that equal requests are equal texts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => {
    if (typeof each !== 'object' || each === null || Array.isArray(each)) return each;
    const keys = Object.keys(each);
    return keys.length < 2 ? each : Object.fromEntries(keys.toSorted().map((key) => [key, (each as never)[key]]));
  });
}

/** About the bytes of a value in memory; no more than a little above `most` is counted. */
function sizeOf(value: unknown, most: number): number {
  if (typeof value === 'string') return 16 + value.length;
  if (typeof value !== 'object' || value === null) return 8;
  if (ArrayBuffer.isView(value)) return 64 + value.byteLength;
  let bytes = 32;
  for (const each of Object.values(value)) {
    bytes += 8 + sizeOf(each, most - bytes);
    if (bytes > most) return bytes;
  }
  return bytes;
}

/**
 * Answers of text models that were given already. An answer depends on nothing but the version, its precision, the task
 * and what is asked, so a kept one is exact, and a swap makes it a different question. Equal requests that are under way
 * at the same time are computed once.
 */
export class AnswerCache {
  readonly #kept: LRUCache<string, Kept>;
  readonly #underWay = new Map<string, Promise<Answered>>();
  #evictions = 0;

  /** @param maxBytes of answers and what keeps them; about, since objects have no sizes */
  constructor(maxBytes: number) {
    this.#kept = new LRUCache<string, Kept>({
      maxSize: maxBytes,
      maxEntrySize: Math.min(maxBytes, MAX_ANSWER_BYTES + ENTRY_BYTES),
      sizeCalculation: ({ output }) => ENTRY_BYTES + sizeOf(output, MAX_ANSWER_BYTES),
      dispose: (_value, _key, reason) => {
        if (reason === 'evict') this.#evictions += 1;
      },
    });
  }

  /** What the cache holds now, and how many answers made room for others. */
  get counts(): AnswerCacheCounts {
    return { entries: this.#kept.size, bytes: this.#kept.calculatedSize, evictions: this.#evictions };
  }

  /**
   * The answer that is kept, that which is under way, or that which `run` gives. What fails is not kept, and fails
   * nobody else: who waited for it runs by himself.
   *
   * @throws what `run` throws; the signal's reason for one that gives up while it waits for another's run
   */
  async answer(
    subject: CacheSubject,
    run: () => Promise<Answered>,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly answered: Answered; readonly outcome: CacheOutcome }> {
    const key = keyOf(subject);
    const kept = this.#kept.get(key);
    if (kept !== undefined) return { answered: { ...kept, ...NO_TIME }, outcome: 'hit' };
    const other = this.#underWay.get(key);
    if (other !== undefined) {
      const answered = await joined(other, signal);
      if (answered !== undefined) return { answered, outcome: 'joined' };
    }
    const own = run();
    // A request that waited for one that failed leaves the place to whoever has it now.
    const leads = !this.#underWay.has(key);
    if (leads) this.#underWay.set(key, own);
    try {
      const answered = await own;
      const { output, tokens } = answered;
      this.#kept.set(key, tokens === undefined ? { output } : { output, tokens });
      return { answered, outcome: 'miss' };
    } finally {
      if (leads) this.#underWay.delete(key);
    }
  }
}

/** What another's run gives; undefined if it fails. @throws the signal's reason */
async function joined(run: Promise<Answered>, signal: AbortSignal | undefined): Promise<Answered | undefined> {
  let answered: Answered | undefined;
  const settled = run.then(
    (value) => void (answered = value),
    () => undefined,
  );
  await within(settled, signal);
  return answered;
}

function keyOf({ record, form, request, rights }: CacheSubject): string {
  const { inputs, parameters, task } = request;
  const asked = canonical([record.digest ?? record.id, form.precision, rights, task ?? '', inputs, parameters ?? null]);
  return createHash('sha256').update(asked).digest('base64');
}
