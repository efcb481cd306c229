import { ModelkeepError, type Manifest } from '../core/index.js';
import type { PicklePools, Runner, RunnerEmitter, RunnerPool } from '../runners/index.js';

/** The runners of a node, of every kind. */
export class Pools {
  /** For ONNX graphs. */
  readonly onnx: RunnerPool;
  /** For pickled models, where they are allowed. */
  readonly pickles: PicklePools | undefined;

  constructor(onnx: RunnerPool, pickles: PicklePools | undefined) {
    this.onnx = onnx;
    this.pickles = pickles;
  }

  /** All of them. */
  get all(): readonly (RunnerPool | PicklePools)[] {
    return this.pickles === undefined ? [this.onnx] : [this.onnx, this.pickles];
  }

  /** Where all of them tell what happens to them. */
  get events(): RunnerEmitter {
    return this.onnx.events;
  }

  /** Process ids of all runners, and of those that are being prepared or are ending. */
  get pids(): readonly number[] {
    return this.all.flatMap(({ pids }) => pids);
  }

  /** Those that a runner is one of; undefined once it has ended. */
  of(runner: Runner): RunnerPool | PicklePools | undefined {
    return this.all.find(({ runners }) => runners.includes(runner));
  }

  /** The runners for a version. @throws ModelkeepError `UNSAFE_FORMAT` for a pickle where none may be loaded */
  for(manifest: Manifest): RunnerPool {
    return this.picklesFor(manifest)?.poolFor(manifest) ?? this.onnx;
  }

  /** The runners for pickles, if it is one. @throws ModelkeepError `UNSAFE_FORMAT` for a pickle where none may be loaded */
  picklesFor({ format }: Manifest): PicklePools | undefined {
    if (format !== 'joblib') return undefined;
    if (this.pickles !== undefined) return this.pickles;
    throw new ModelkeepError(
      'UNSAFE_FORMAT',
      'It is a pickle or a skops file, and loading one can run code that its publisher chose. If you trust that publisher, ' +
        'start this node with --allow-pickle; safer is to convert the model to ONNX with skl2onnx and publish that',
    );
  }
}
