import { describe, expect, it } from 'vitest';
import { VersionQueue, type Job } from '../../../src/serving/queue.js';
import { residentOf } from './fake-runner.js';

const LIMITS = { maxBatchRequests: 32, maxBatchTokens: 512 };

/** A text of so many words, each a token. */
function text(words: number): string {
  return Array.from({ length: words }, () => 'word').join(' ');
}

function ask(queue: VersionQueue, inputs: unknown): Job {
  const work = { kind: 'predict', request: { inputs } } as const;
  return queue.push({
    work,
    arrivedMs: 0,
    deadlineMs: Number.POSITIVE_INFINITY,
    tries: 0,
    settled: false,
    settle: nothing,
  });
}

function nothing(): void {
  // The answer is nobody's here.
}

function queueOf(inputs: readonly unknown[]): VersionQueue {
  const queue = new VersionQueue(residentOf('a', []));
  for (const each of inputs) ask(queue, each);
  return queue;
}

/** Words of each request that a run takes. */
function wordsOf(jobs: readonly Job[]): number[] {
  return jobs.map(({ size }) => size.total);
}

describe('what a run takes from the queue', () => {
  it('is the oldest request, whatever its length, and those of its length', () => {
    const queue = queueOf([90, 5, 88, 5, 30, 5, 91].map(text));
    expect(wordsOf(queue.take(LIMITS, 1))).toEqual([90, 88]);
    expect(wordsOf(queue.take(LIMITS, 1))).toEqual([5, 5, 5]);
    expect(wordsOf(queue.take(LIMITS, 1))).toEqual([30]);
    expect(wordsOf(queue.take(LIMITS, 1))).toEqual([91]);
    expect(queue.length).toBe(0);
    expect(queue.take(LIMITS, 1)).toEqual([]);
  });

  it('may differ more in length where the graph skips padding but in attention', () => {
    const queue = queueOf([90, 5, 88, 200, 30, 5, 91].map(text));
    queue.resident.learn({ loaded: { skipsPadding: true, inputs: [], outputs: [] } });
    expect(wordsOf(queue.take(LIMITS, 1))).toEqual([90, 88, 30, 91, 5]);
    expect(wordsOf(queue.take(LIMITS, 1))).toEqual([200]);
    expect(wordsOf(queue.take(LIMITS, 1))).toEqual([5]);
  });

  it('holds as many as fit, however few it may overtake', () => {
    const queue = queueOf(Array.from({ length: 20 }, () => text(5)));
    expect(queue.take(LIMITS, 1)).toHaveLength(20);
  });

  it('overtakes three requests at the most', () => {
    const queue = queueOf([5, 90, 90, 90, 5].map(text));
    expect(wordsOf(queue.take(LIMITS, 1))).toEqual([5, 5]);
    const crowded = queueOf([5, 90, 90, 90, 90, 5].map(text));
    expect(wordsOf(crowded.take(LIMITS, 1))).toEqual([5]);
  });

  it('has no more tokens than the budget, but one request at least', () => {
    const queue = queueOf([100, 100, 100, 100, 100, 100, 100].map(text));
    // A text of 100 words is 102 tokens with the special ones.
    expect(queue.take(LIMITS, 1)).toHaveLength(5);
    expect(queue.take({ ...LIMITS, maxBatchTokens: 10 }, 1)).toHaveLength(1);
  });

  it('is an equal share where several runners are free', () => {
    const queue = queueOf([5, 5, 5, 5, 5].map(text));
    expect(queue.take(LIMITS, 2)).toHaveLength(3);
    expect(queue.take(LIMITS, 2)).toHaveLength(1);
  });

  it('is looked for among the oldest 16, so that nothing is overtaken by whatever comes', () => {
    const queue = queueOf([50, ...Array.from({ length: 15 }, () => 5), 50].map(text));
    expect(wordsOf(queue.take(LIMITS, 1))).toEqual([50]);
  });

  it('may be several lists, of which each counts with all its sequences', () => {
    const list = Array.from({ length: 4 }, () => text(40));
    const queue = queueOf([list, list, list, list]);
    expect(queue.take(LIMITS, 1)).toHaveLength(3);
  });
});

describe('what a version teaches its queue', () => {
  it('is how many tokens its words are, and how long they take', () => {
    const queue = queueOf([]);
    expect(queue.pace.tokens(10, 1)).toBe(12);
    expect(queue.waitMs(1)).toBe(0);
    queue.pace.ran([{ longest: 10, total: 10, sequences: 1 }], 22, 44);
    expect(queue.pace.tokens(10, 1)).toBe(22);
    expect(queue.pace.msPerToken).toBe(2);
    const job = ask(queue, text(10));
    expect([queue.waitMs(1), queue.waitMs(2)]).toEqual([44, 22]);
    queue.remove(job);
    queue.remove(job);
    expect(queue.waitMs(1)).toBe(0);
  });

  it('is not learnt from runs of nothing', () => {
    const queue = queueOf([]);
    queue.pace.ran([{ longest: 0, total: 0, sequences: 1 }], 2, 4);
    queue.pace.ran([{ longest: 5, total: 5, sequences: 1 }], 0, 4);
    expect(queue.pace.tokens(10, 1)).toBe(12);
  });
});
