import { ModelkeepError, type VersionRecord } from '../../../src/core/index.js';
import { Resident } from '../../../src/residency/index.js';
import type { PredictMessage, PredictReply, Runner } from '../../../src/runners/index.js';

/** One run that a fake runner was asked for, to be ended by the test. */
export interface FakeRun {
  readonly runner: FakeRunner;
  readonly key: string;
  /** The inputs of its requests, or `tensors` for a tensor run. */
  readonly inputs: readonly unknown[];
  /** True if it may have the processors for itself. */
  readonly lone: boolean;
  answer(): void;
  fail(error: ModelkeepError): void;
}

/** Stands for a runner process: records its runs in the order in which they begin. */
export class FakeRunner {
  readonly #runs: FakeRun[];
  inFlight = 0;
  alive = true;

  /** @param runs where its runs are recorded, with those of other runners */
  constructor(runs: FakeRun[]) {
    this.#runs = runs;
  }

  async call(op: string, message: { readonly key: string }, tensors: object = {}): Promise<unknown> {
    const inputs = op === 'infer' ? ['tensors'] : (message as PredictMessage).requests.map((one) => one.inputs);
    this.inFlight += 1;
    try {
      return await new Promise((resolve, reject) => {
        const answer = (): void => {
          const answers = inputs.map((input) =>
            input === 'bad'
              ? { error: { code: 'INVALID_INPUT', message: 'It is bad' } }
              : { output: `<${String(input)}>` },
          );
          const result: PredictReply = { answers, tokenizeMs: 1, runMs: 2, tokens: 3, paddedTokens: 4, batches: 1 };
          resolve({ result, tensors });
        };
        const { lone = false } = message as PredictMessage;
        this.#runs.push({ runner: this, key: message.key, inputs, lone, answer, fail: reject });
      });
    } finally {
      this.inFlight -= 1;
    }
  }

  /** Ends as a killed process does. */
  crash(run: FakeRun): void {
    this.alive = false;
    run.fail(new ModelkeepError('RUNNER_CRASHED', 'The runner was killed'));
  }

  asRunner(): Runner {
    return this as unknown as Runner;
  }
}

/** A version that the given runners hold. */
export function residentOf(model: string, runners: readonly FakeRunner[]): Resident {
  const record: VersionRecord = {
    id: model.padEnd(24, '0'),
    model,
    version: 1,
    size: 1,
    state: 'ready',
    publishedAt: new Date(0),
    metadata: {},
  };
  const resident = new Resident(record, { onTransition: () => undefined, onLeaseBack: () => undefined });
  for (const runner of runners) resident.runners.add(runner.asRunner());
  return resident;
}
