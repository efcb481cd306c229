import { describe, expect, it } from 'vitest';
import { ModelkeepError, type VersionRecord } from '../../../src/core/index.js';
import { AnswerCache, type CacheSubject } from '../../../src/serving/answer-cache.js';
import type { Answered } from '../../../src/serving/queue.js';

const RECORD = { id: 'a', digest: 'sha256:aa' } as unknown as VersionRecord;

function subject(inputs: unknown, changes: Partial<CacheSubject> = {}): CacheSubject {
  return { record: RECORD, form: { precision: 'fp32' }, request: { inputs }, rights: '*', ...changes };
}

/** Runs that answer with how many there were, when they are let go. */
class Runs {
  readonly #waiting: { resolve(answered: Answered): void; reject(error: Error): void }[] = [];
  count = 0;

  readonly run = (): Promise<Answered> => {
    this.count += 1;
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  };

  answer(output: unknown = `run ${this.count}`): void {
    this.#waiting.shift()?.resolve({ output, queueMs: 1, tokenizeMs: 2, runMs: 3, tokens: 4 });
  }

  fail(code: 'RUNNER_CRASHED' | 'CANCELLED'): void {
    this.#waiting.shift()?.reject(new ModelkeepError(code, 'the run failed'));
  }
}

async function once(cache: AnswerCache, asked: CacheSubject, output: unknown): Promise<string> {
  const { outcome } = await cache.answer(
    asked,
    () => Promise.resolve({ output, queueMs: 0, tokenizeMs: 0, runMs: 0 }),
    undefined,
  );
  return outcome;
}

describe('an answer', () => {
  it('is kept, and given again with its tokens and without time', async () => {
    const cache = new AnswerCache(1_000_000);
    const runs = new Runs();
    const first = cache.answer(subject('x'), runs.run, undefined);
    runs.answer();
    expect(await first).toMatchObject({ outcome: 'miss', answered: { output: 'run 1', runMs: 3 } });
    const again = await cache.answer(subject('x'), runs.run, undefined);
    expect(again).toEqual({
      outcome: 'hit',
      answered: { output: 'run 1', tokens: 4, queueMs: 0, tokenizeMs: 0, runMs: 0 },
    });
    expect([runs.count, cache.counts.entries]).toEqual([1, 1]);
  });

  it.each<[string, CacheSubject]>([
    ['another version', subject('x', { record: { ...RECORD, digest: 'sha256:bb' } })],
    ['another precision', subject('x', { form: { precision: 'int8' } })],
    ['other rights', subject('x', { rights: '["m"]' })],
    ['other inputs', subject(['x'])],
    ['another task', subject('x', { request: { inputs: 'x', task: 'feature-extraction' } })],
    ['other options', subject('x', { request: { inputs: 'x', parameters: { top_k: 3 } } })],
  ])('is not that of %s', async (_, other) => {
    const cache = new AnswerCache(1_000_000);
    await once(cache, subject('x'), 1);
    expect(await once(cache, other, 2)).toBe('miss');
    expect(await once(cache, other, 2)).toBe('hit');
  });

  it('is the same whatever the order of options and fields', async () => {
    const cache = new AnswerCache(1_000_000);
    await once(
      cache,
      subject(
        { question: 'q', context: 'c' },
        { request: { inputs: { a: 1, b: 2 }, parameters: { x: 1, y: { c: 1, d: 2 } } } },
      ),
      1,
    );
    const other = subject('', { request: { parameters: { y: { d: 2, c: 1 }, x: 1 }, inputs: { b: 2, a: 1 } } });
    expect(await once(cache, other, 2)).toBe('hit');
  });

  it('makes room for others, oldest first, and is not kept where it is too large', async () => {
    const cache = new AnswerCache(10_000);
    for (let at = 0; at < 40; at += 1) await once(cache, subject(`text ${at}`), 'x'.repeat(500));
    const { entries, bytes, evictions } = cache.counts;
    expect(entries).toBeLessThan(12);
    expect(bytes).toBeLessThanOrEqual(10_000);
    expect(evictions).toBe(40 - entries);
    expect(await once(cache, subject('text 39'), 1)).toBe('hit');
    expect(await once(cache, subject('text 0'), 1)).toBe('miss');
    const roomy = new AnswerCache(100_000_000);
    await once(
      roomy,
      subject('large'),
      Array.from({ length: 200_000 }, () => 1.5),
    );
    expect(roomy.counts.entries).toBe(0);
  });
});

describe('equal requests at the same time', () => {
  it('are computed once', async () => {
    const cache = new AnswerCache(1_000_000);
    const runs = new Runs();
    const all = [1, 2, 3].map(() => cache.answer(subject('x'), runs.run, undefined));
    runs.answer('once');
    expect((await Promise.all(all)).map(({ outcome, answered }) => [outcome, answered.output])).toEqual([
      ['miss', 'once'],
      ['joined', 'once'],
      ['joined', 'once'],
    ]);
    expect(runs.count).toBe(1);
  });

  it('do not fail with the one that was computed, and its failure is not kept', async () => {
    for (const code of ['RUNNER_CRASHED', 'CANCELLED'] as const) {
      const cache = new AnswerCache(1_000_000);
      const runs = new Runs();
      const first = cache.answer(subject('x'), runs.run, undefined);
      const second = cache.answer(subject('x'), runs.run, undefined);
      runs.fail(code);
      await expect(first).rejects.toMatchObject({ code });
      runs.answer('its own');
      expect(await second).toMatchObject({ outcome: 'miss', answered: { output: 'its own' } });
      expect([runs.count, cache.counts.entries]).toEqual([2, 1]);
    }
  });

  it('can each be given up without the others', async () => {
    const cache = new AnswerCache(1_000_000);
    const runs = new Runs();
    const first = cache.answer(subject('x'), runs.run, undefined);
    const given = new AbortController();
    const second = cache.answer(subject('x'), runs.run, given.signal);
    given.abort(new ModelkeepError('CANCELLED', 'gone'));
    await expect(second).rejects.toMatchObject({ code: 'CANCELLED' });
    runs.answer('for the first');
    expect(await first).toMatchObject({ answered: { output: 'for the first' } });
  });
});
