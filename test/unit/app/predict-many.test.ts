import { describe, expect, test } from 'vitest';
import { predictMany } from '../../../src/app/predict-many.js';

async function collect<T>(items: AsyncIterable<T>): Promise<{ readonly got: T[]; readonly error?: unknown }> {
  const got: T[] = [];
  try {
    for await (const item of items) got.push(item);
    return { got };
  } catch (error) {
    return { got, error };
  }
}

/** Questions that are answered when the test says so. */
function questions() {
  const open = new Map<number, (failure?: Error) => void>();
  const ask = (question: number): Promise<string> =>
    new Promise((resolve, reject) => {
      open.set(question, (failure) => {
        open.delete(question);
        if (failure === undefined) resolve(`answer ${question}`);
        else reject(failure);
      });
    });
  return { open, ask };
}

/** Lets everything run that is not waiting for something outside. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

const onlyTheFirst = (question: number) =>
  question === 1 ? Promise.resolve(question) : Promise.reject(new Error(`${question}`));

describe('many requests', () => {
  test('are answered in order, whatever order they finish in', async () => {
    const { open, ask } = questions();
    const collected = collect(predictMany([1, 2, 3], ask));
    await settle();
    for (const question of [3, 1, 2]) open.get(question)?.();
    expect(await collected).toEqual({ got: ['answer 1', 'answer 2', 'answer 3'] });
  });

  test('no more are read than may be under way, however long the stream is', async () => {
    const { open, ask } = questions();
    let read = 0;
    function* endless() {
      for (;;) yield (read += 1);
    }
    const answers = predictMany(endless(), ask, { inFlight: 4 });
    const first = answers.next();
    await settle();
    expect([read, open.size]).toEqual([4, 4]);
    open.get(1)?.();
    expect((await first).value).toBe('answer 1');
    await settle();
    expect(read).toBe(4);
    const second = answers.next();
    await settle();
    expect(read).toBe(5);
    open.get(2)?.();
    await second;
    expect(await answers.return()).toEqual({ value: undefined, done: true });
    expect(read).toBe(5);
  });

  test('an answer is given although the next request is still awaited', async () => {
    const { open, ask } = questions();
    let sendSecond: (() => void) | undefined;
    async function* typed() {
      yield 1;
      await new Promise<void>((resolve) => (sendSecond = resolve));
      yield 2;
    }
    const answers = predictMany(typed(), ask);
    const first = answers.next();
    await settle();
    open.get(1)?.();
    expect((await first).value).toBe('answer 1');
    const second = answers.next();
    sendSecond?.();
    await settle();
    open.get(2)?.();
    expect((await second).value).toBe('answer 2');
    expect((await answers.next()).done).toBe(true);
  });

  test('a failure comes where its answer would, and the source is closed', async () => {
    let closed = false;
    async function* source() {
      try {
        for (let question = 1; question < 100; question++) yield question;
      } finally {
        closed = true;
      }
    }
    const failure = new Error('no');
    const ask = (question: number) => (question === 3 ? Promise.reject(failure) : Promise.resolve(question));
    expect(await collect(predictMany(source(), ask, { inFlight: 8 }))).toEqual({ got: [1, 2], error: failure });
    expect(closed).toBe(true);
  });

  test('when reading fails, what was read before is answered first', async () => {
    const failure = new Error('the disk is gone');
    async function* source() {
      yield 1;
      yield 2;
      throw failure;
    }
    const { open, ask } = questions();
    const collected = collect(predictMany(source(), ask));
    await settle();
    for (const question of [2, 1]) open.get(question)?.();
    expect(await collected).toEqual({ got: ['answer 1', 'answer 2'], error: failure });
  });

  test('nothing to ask gives nothing', async () => {
    expect(await collect(predictMany([], () => Promise.reject(new Error('asked'))))).toEqual({ got: [] });
  });

  test('a reader that stops closes the source and leaves no failure unheard', async () => {
    let closed = false;
    function* source() {
      try {
        for (let question = 1; ; question++) yield question;
      } finally {
        closed = true;
      }
    }
    for await (const answer of predictMany(source(), onlyTheFirst, { inFlight: 3 })) {
      expect(answer).toBe(1);
      break;
    }
    expect(closed).toBe(true);
    await settle();
  });
});
