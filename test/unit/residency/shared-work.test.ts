import { describe, expect, it } from 'vitest';
import { ModelkeepError } from '../../../src/core/index.js';
import { SharedWork } from '../../../src/residency/shared-work.js';

/** Work that ends when told to, and fails with the signal's reason when it is cancelled. */
class Controlled {
  readonly shared: SharedWork<string>;
  #settle: ((outcome: string | Error) => void) | undefined;
  #signal: AbortSignal | undefined;

  constructor() {
    this.shared = new SharedWork((signal) => {
      this.#signal = signal;
      return new Promise<string>((resolve, reject) => {
        this.#settle = (outcome) => (typeof outcome === 'string' ? resolve(outcome) : reject(outcome));
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
    });
  }

  signal(): AbortSignal {
    return this.#signal ?? expect.fail('The work was not started');
  }

  finish(outcome: string | Error): void {
    this.#settle?.(outcome);
  }
}

describe('work that several wait for', () => {
  it('starts at once and gives all of them the same result', async () => {
    const work = new Controlled();
    const waits = [work.shared.join(), work.shared.join(new AbortController().signal), work.shared.join()];
    work.finish('done');
    expect(await Promise.all(waits)).toEqual(['done', 'done', 'done']);
  });

  it('goes on for the others when one gives up', async () => {
    const work = new Controlled();
    const leaver = new AbortController();
    const stays = work.shared.join(new AbortController().signal);
    const leaves = work.shared.join(leaver.signal);
    leaver.abort();
    await expect(leaves).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(work.signal().aborted).toBe(false);
    expect(work.shared.cancelled).toBe(false);
    work.finish('done');
    await expect(stays).resolves.toBe('done');
  });

  it('is cancelled when the last one gives up, and not before', async () => {
    const work = new Controlled();
    const callers = [new AbortController(), new AbortController(), new AbortController()];
    const waits = callers.map(({ signal }) => work.shared.join(signal));
    for (const [index, caller] of callers.entries()) {
      expect(work.signal().aborted).toBe(false);
      caller.abort();
      await expect(waits[index]).rejects.toMatchObject({ code: 'CANCELLED' });
    }
    expect(work.signal().aborted).toBe(true);
    expect(work.shared.cancelled).toBe(true);
    await expect(work.shared.settled).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('tells a deadline from a caller that gave up', async () => {
    const work = new Controlled();
    const late = new AbortController();
    const wait = work.shared.join(late.signal);
    late.abort(new DOMException('too late', 'TimeoutError'));
    await expect(wait).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  it('refuses a caller whose signal has fired already, and is then cancelled for want of others', async () => {
    const work = new Controlled();
    await expect(work.shared.join(AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(work.shared.cancelled).toBe(true);
  });

  it('tells its failure to all', async () => {
    const work = new Controlled();
    const waits = Array.from({ length: 20 }, () => work.shared.join());
    const error = new ModelkeepError('LOAD_FAILED', 'It is broken');
    work.finish(error);
    const outcomes = await Promise.allSettled(waits);
    expect(outcomes.every((outcome) => outcome.status === 'rejected' && outcome.reason === error)).toBe(true);
  });

  it('can be cancelled for everybody', async () => {
    const work = new Controlled();
    const waits = [work.shared.join(), work.shared.join()];
    work.shared.cancel(new ModelkeepError('CLOSED', 'It was closed'));
    for (const wait of waits) await expect(wait).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
