import type { OnnxNode } from './nodes.js';

/** A function that turns logits into scores at the end of a graph. */
export type Activation = 'softmax' | 'sigmoid';

const ACTIVATIONS: ReadonlyMap<string, Activation> = new Map([
  ['Softmax', 'softmax'],
  ['Sigmoid', 'sigmoid'],
]);

/** Operators that change no number. */
const PASSING: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Squeeze', 'Unsqueeze', 'Reshape', 'Flatten']);

/** Remembers which names of a graph hold scores; nodes come in the order in which they are computed. */
export class ActivationWatch {
  readonly #found = new Map<string, Activation>();

  /** To be told of every node, in order. */
  see({ op, inputs, outputs }: OnnxNode): void {
    const [input] = inputs;
    const [output] = outputs;
    if (output === undefined) return;
    const found = ACTIVATIONS.get(op) ?? (PASSING.has(op) && input !== undefined ? this.#found.get(input) : undefined);
    if (found !== undefined) this.#found.set(output, found);
  }

  /** What an output was put through at the very end; undefined for one that was not. */
  of(name: string): Activation | undefined {
    return this.#found.get(name);
  }
}
