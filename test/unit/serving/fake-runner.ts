import { ModelkeepError, type VersionRecord } from '../../../src/core/index.js';
import { Resident } from '../../../src/residency/index.js';
import {
  nextMode,
  type CallOptions,
  type PredictMessage,
  type PredictReply,
  type Runner,
  type RunnerEmitter,
  type RunnerMode,
} from '../../../src/runners/index.js';

/** One run that a fake runner was asked for, to be ended by the test. */
export interface FakeRun {
  readonly runner: FakeRunner;
  readonly key: string;
  /** The inputs of its requests, or `tensors` for a tensor run. */
  readonly inputs: readonly unknown[];
  /** True if it may have the processors for itself. */
  readonly lone: boolean;
  /** How long it may take before its runner is hung. */
  readonly limitMs: number | undefined;
  answer(): void;
  fail(error: ModelkeepError): void;
}

/** Stands for a runner process: records its runs in the order in which they begin. */
export class FakeRunner {
  readonly #runs: FakeRun[];
  readonly #events: RunnerEmitter;
  mode: RunnerMode = 'free';

  /**
   * @param runs where its runs are recorded, with those of other runners
   * @param events where it tells its modes
   */
  constructor(runs: FakeRun[], events: RunnerEmitter) {
    this.#runs = runs;
    this.#events = events;
  }

  get alive(): boolean {
    return this.mode !== 'hung' && this.mode !== 'dead';
  }

  /** Changes its mode, as a real runner does. */
  enter(to: RunnerMode): void {
    const from = this.mode;
    this.mode = nextMode(from, to);
    this.#events.emit('mode', this.asRunner(), from);
  }

  async call(
    op: string,
    message: { readonly key: string },
    tensors: object = {},
    { limitMs }: CallOptions = {},
  ): Promise<unknown> {
    const inputs = op === 'infer' ? ['tensors'] : (message as PredictMessage).requests.map((one) => one.inputs);
    this.enter('busy');
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
        this.#runs.push({ runner: this, key: message.key, inputs, lone, limitMs, answer, fail: reject });
      });
    } finally {
      if (this.mode === 'busy') this.enter('free');
    }
  }

  /** Ends as a killed process does. */
  crash(run: FakeRun): void {
    this.enter('dead');
    run.fail(new ModelkeepError('RUNNER_CRASHED', 'The runner was killed'));
  }

  /** Is found not to answer. */
  hang(run: FakeRun): void {
    this.enter('hung');
    run.fail(new ModelkeepError('DEADLINE_EXCEEDED', 'The runner did not answer'));
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
