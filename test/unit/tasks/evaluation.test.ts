import { describe, expect, test } from 'vitest';
import type { ModelkeepError } from '../../../src/core/index.js';
import { evaluationOf, pairedBootstrapOf, meanOf, type DataRow } from '../../../src/tasks/index.js';

/** Measures rows whose answers are given. */
function measure(task: string, cases: readonly (readonly [DataRow, unknown])[]) {
  const evaluation = evaluationOf(task);
  const outcomes = cases.map(([row, output]) => evaluation.outcome(evaluation.example(row).expected, output));
  return evaluation.measure(outcomes);
}

function refusal(act: () => unknown): { readonly code: string; readonly field: unknown } {
  try {
    act();
  } catch (error) {
    const { code, details } = error as ModelkeepError;
    return { code, field: details['field'] };
  }
  throw new Error('nothing was refused');
}

const labels = (...names: string[]) => names.map((label, i) => ({ label, score: 1 / (i + 2) }));

const group = (entity_group: string, start: number, end: number) => ({
  entity_group,
  start,
  end,
  score: 1,
  word: '',
});
const outcome = (right: number) => ({ right, given: 1, wanted: 1 });

describe('labels', () => {
  test('accuracy, macro-F1 and confusion', () => {
    const { figures, report } = measure('text-classification', [
      [{ text: 'a', label: 'yes' }, labels('yes', 'no')],
      [{ text: 'b', label: 'yes' }, labels('no', 'yes')],
      [{ text: 'c', label: 'no' }, labels('no', 'yes')],
    ]);
    expect(figures['accuracy']).toBeCloseTo(2 / 3, 12);
    expect(figures['macroF1']).toBeCloseTo(2 / 3, 12);
    expect(report).toMatchObject({
      confusion: [
        [1, 0],
        [1, 1],
      ],
    });
  });

  test('all labels are asked for, and pairs are read by either name', () => {
    const evaluation = evaluationOf('text-classification');
    expect(evaluation.parameters).toEqual({ top_k: null });
    expect(evaluation.example({ id: 7, sentence1: 'a', sentence2: 'b', label: 'yes' })).toEqual({
      inputs: { text: 'a', text_pair: 'b' },
      expected: 'yes',
    });
  });

  test('a label that the model never gives is refused', () => {
    const evaluation = evaluationOf('text-classification');
    expect(refusal(() => evaluation.outcome('maybe', labels('yes', 'no')))).toEqual({
      code: 'INVALID_INPUT',
      field: 'label',
    });
  });

  test('zero-shot takes its labels from the row', () => {
    const evaluation = evaluationOf('zero-shot-classification');
    const row = { text: 'a', label: 'x', candidate_labels: ['x', 'y'] };
    expect(evaluation.example(row).parameters).toEqual({ candidate_labels: ['x', 'y'] });
    const answer = { sequence: 'a', labels: ['y', 'x'], scores: [0.6, 0.4] };
    expect(measure('zero-shot-classification', [[row, answer]]).figures['accuracy']).toBe(0);
  });

  test('a mask counts if its word is first, and if it is there', () => {
    const proposals = ['cat', 'dog'].map((token_str, token) => ({ token_str, token, score: 0.5, sequence: token_str }));
    const { figures } = measure('fill-mask', [
      [{ text: 'a [MASK]', label: 'cat' }, proposals],
      [{ text: 'a [MASK]', label: 'dog' }, proposals],
      [{ text: 'a [MASK]', label: 'eel' }, proposals],
    ]);
    expect(figures).toEqual({ accuracy: 1 / 3, proposed: 2 / 3 });
  });
});

describe('entities', () => {
  test('of tagged words count whole words, right only with type and both ends', () => {
    const row = { tokens: ['Ada', 'Lovelace', 'in', '𝒫aris'], tags: ['B-PER', 'I-PER', 'O', 'B-LOC'] };
    expect(evaluationOf('token-classification').example(row).inputs).toBe('Ada Lovelace in 𝒫aris');
    const { figures } = measure('token-classification', [
      // Paris is found from within its word on: it is that word all the same.
      [row, [group('PER', 0, 12), group('LOC', 17, 21)]],
      [row, [group('PER', 0, 3), group('LOC', 16, 21), group('O', 13, 15)]],
    ]);
    expect(figures).toEqual({ precision: 3 / 4, recall: 3 / 4, f1: 3 / 4 });
  });

  test('with offsets are compared by them', () => {
    const row = {
      text: 'Ada in Rome',
      entities: [
        { start: 0, end: 3, entity_group: 'PER' },
        { start: 7, end: 11, label: 'LOC' },
      ],
    };
    const { figures } = measure('token-classification', [[row, [group('PER', 0, 3), group('PER', 7, 11)]]]);
    expect(figures).toEqual({ precision: 0.5, recall: 0.5, f1: 0.5 });
  });

  test.each([
    [{ tokens: ['a'], tags: [] }, 'tags'],
    [{ tokens: 'a', tags: ['O'] }, 'tokens'],
    [{ tokens: ['a', 1], tags: ['O', 'O'] }, 'tokens[1]'],
    [{ text: 'a', entities: [{ start: 0 }] }, 'entities[0]'],
    [{ text: 'a' }, 'entities'],
  ])('%j is refused for %s', (row, field) => {
    expect(refusal(() => evaluationOf('token-classification').example(row))).toEqual({ code: 'INVALID_INPUT', field });
  });

  test('two models are compared by the F1 of resampled examples', () => {
    const evaluation = evaluationOf('token-classification');
    const good = Array.from({ length: 40 }, () => outcome(1));
    const bad = good.map((_, i) => outcome(i % 2));
    const compared = evaluation.compare(bad, good);
    expect(compared).toMatchObject({ test: 'paired bootstrap', figure: 'f1', difference: 0.5, significant: true });
    expect(evaluation.compare(good, good)).toMatchObject({ difference: 0, significant: false, pValue: 1 });
  });
});

describe('answers', () => {
  test.each([
    [{ text: ['Ada', 'Ada L.'], answer_start: [0, 0] }, ['Ada', 'Ada L.']],
    [['Ada'], ['Ada']],
    [[{ text: 'Ada', start: 0 }], ['Ada']],
    ['Ada', ['Ada']],
    [{ text: [] }, []],
  ])('%j are read', (answers, expected) => {
    const row = { question: 'Who?', context: 'Ada L.', answers };
    expect(evaluationOf('question-answering').example(row)).toEqual({
      inputs: { question: 'Who?', context: 'Ada L.' },
      expected,
    });
  });

  test('are measured by exact match and F1; a list is judged by its best', () => {
    const row = { question: 'Who?', context: 'Ada L.', answers: ['the Ada Lovelace'] };
    const { figures } = measure('question-answering', [
      [row, { answer: 'Ada Lovelace', score: 1, start: 0, end: 12 }],
      [row, [{ answer: 'Ada', score: 1, start: 0, end: 3 }]],
      [
        { ...row, answers: [] },
        { answer: '', score: 1, start: 0, end: 0 },
      ],
    ]);
    expect(figures['exactMatch']).toBeCloseTo(2 / 3, 12);
    expect(figures['f1']).toBeCloseTo((1 + 2 / 3 + 1) / 3, 12);
  });

  test('that are missing are refused', () => {
    const row = { question: 'Who?', context: 'Ada L.' };
    expect(refusal(() => evaluationOf('question-answering').example(row))).toEqual({
      code: 'INVALID_INPUT',
      field: 'answers',
    });
  });
});

describe('sentences', () => {
  const rows = [1, 2, 3].map((score) => ({ sentence1: 'a', sentence2: 'b', score }));

  test('cosines are ranked against scores', () => {
    const given = [[0.1], [0.3], [0.2]];
    const { figures } = measure(
      'sentence-similarity',
      rows.map((row, i) => [row, given[i]] as const),
    );
    expect(figures['spearman']).toBeCloseTo(0.5, 12);
  });

  test('vectors give their cosines', () => {
    const vectors = [
      [
        [1, 0],
        [0, 1],
      ],
      [
        [1, 0],
        [1, 1],
      ],
      [
        [1, 0],
        [2, 0],
      ],
    ];
    const { figures } = measure(
      'sentence-embeddings',
      rows.map((row, i) => [row, vectors[i]] as const),
    );
    expect(figures['spearman']).toBeCloseTo(1, 12);
  });

  test('a score may be a text that is a number, and nothing else', () => {
    const evaluation = evaluationOf('sentence-similarity');
    expect(evaluation.example({ sentence1: 'a', sentence2: 'b', score: '0.5' }).expected).toBe(0.5);
    for (const score of ['high', '', null, Number.NaN]) {
      expect(refusal(() => evaluation.example({ sentence1: 'a', sentence2: 'b', score })).field).toBe('score');
    }
  });

  test('ranking is measured by the place of the first right text', () => {
    const ranked = [2, 0, 1].map((index) => ({ index, score: 1 }));
    const { figures } = measure('text-ranking', [
      [{ query: 'q', texts: ['a', 'b', 'c'], relevant: 0 }, ranked],
      [{ query: 'q', texts: ['a', 'b', 'c'], relevant: [1, 2] }, ranked],
    ]);
    expect(figures).toEqual({ mrr: 0.75 });
  });
});

describe('what has no right answers', () => {
  test.each(['feature-extraction', 'nope', undefined])('%s cannot be measured', (task) => {
    expect(refusal(() => evaluationOf(task)).code).toBe('INVALID_INPUT');
  });
});

describe('the bootstrap of a statistic', () => {
  test('is the same for the same seed, and refuses nothing at all', () => {
    const first = [0, 1, 0, 1, 0, 1];
    const second = [1, 1, 0, 1, 0, 1];
    const run = (seed: number) => pairedBootstrapOf(6, meanOf(first), meanOf(second), { samples: 200, seed });
    expect(run(3)).toEqual(run(3));
    expect(run(3).difference).toBeCloseTo(1 / 6, 12);
    expect(refusal(() => pairedBootstrapOf(0, meanOf([]), meanOf([]))).code).toBe('INVALID_INPUT');
  });
});
