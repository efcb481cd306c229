import { describe, expect, it } from 'vitest';
import { goldenDifference, goldenExample, TASK_NAMES } from '../../../src/tasks/index.js';

/** True if a task takes an output as its own; false if it says which field is wrong. */
function takes(task: string, output: unknown): boolean {
  try {
    return goldenExample(task, { inputs: 'a', output }).expected === output;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'INVALID_INPUT') return false;
    throw error;
  }
}

describe('a golden example', () => {
  it('is read from the form of the server, the fields of the task, or a label', () => {
    expect(goldenExample('text-classification', { text: 'a', label: 'X', score: 0.5 })).toEqual({
      request: { inputs: 'a' },
      expected: [{ label: 'X', score: 0.5 }],
    });
    const output = { answer: 'Ada', score: 1, start: 0, end: 3 };
    expect(goldenExample('question-answering', { question: 'q', context: 'c', output })).toEqual({
      request: { inputs: { question: 'q', context: 'c' } },
      expected: output,
    });
    const parameters = { top_k: 2 };
    expect(
      goldenExample('fill-mask', { inputs: 'a [MASK]', parameters, output: [{ token_str: 'b' }] }).request,
    ).toEqual({
      inputs: 'a [MASK]',
      parameters,
    });
  });

  it('of one task is refused by every other whose answers look otherwise', () => {
    const outputs: Readonly<Record<string, unknown>> = {
      'text-classification': [{ label: 'X', score: 1 }],
      'token-classification': [{ entity_group: 'X', score: 1, start: 0, end: 1 }],
      'question-answering': { answer: 'a', score: 1, start: 0, end: 1 },
      'fill-mask': [{ token_str: 'a', score: 1 }],
      'feature-extraction': [[[0.5]]],
      'sentence-embeddings': [0.5],
      'zero-shot-classification': { sequence: 'a', labels: ['x'], scores: [1] },
      'sentence-similarity': [0.5],
      'text-ranking': [{ index: 0, score: 1 }],
      'sparse-embeddings': [{ index: 0, value: 1 }],
    };
    const numbers = ['feature-extraction', 'sentence-embeddings', 'sentence-similarity'];
    for (const task of TASK_NAMES) {
      // An answer of question answering has a place in the text, as an entity has; vectors and similarities are numbers.
      const alike =
        task === 'token-classification' ? [task, 'question-answering'] : numbers.includes(task) ? numbers : [task];
      const taken = Object.keys(outputs).filter((of) => takes(task, outputs[of]));
      expect({ task, taken: taken.toSorted() }).toEqual({ task, taken: alike.toSorted() });
    }
    expect(() => goldenExample(undefined, { inputs: 'a', output: 1 })).toThrow(/task/);
  });
});

describe('the difference from a golden answer', () => {
  it('is that of the farthest number, or infinite where something else differs', () => {
    expect(goldenDifference([{ label: 'X', score: 0.5 }], [{ label: 'X', score: 0.75, more: 1 }])).toBe(0.25);
    expect(goldenDifference([{ label: 'X' }], [{ label: 'X', score: 0.7 }])).toBe(0);
    expect(goldenDifference({ answer: 'a' }, [{ answer: 'a' }])).toBe(0);
    expect(goldenDifference([[0.1, 0.2]], [[0.1, 0.5]])).toBeCloseTo(0.3);
    for (const [expected, given] of [
      [[{ label: 'X' }], [{ label: 'Y' }]],
      [[1], [1, 2]],
      [{ a: 1 }, 1],
      [[1], 'an error'],
      [1, Number.NaN],
      [{ a: 1 }, {}],
      ['a', null],
    ])
      expect(goldenDifference(expected, given)).toBe(Number.POSITIVE_INFINITY);
  });
});
