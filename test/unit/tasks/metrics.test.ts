import { describe, expect, test } from 'vitest';
import {
  answerF1,
  classificationMetrics,
  entityMetrics,
  exactMatch,
  mcNemar,
  normalizeAnswer,
  pairedBootstrap,
  spearman,
  strictSpans,
} from '../../../src/tasks/index.js';

describe('classification', () => {
  test('the example of scikit-learn: f1_score of [0,1,2,0,1,2] and [0,2,1,0,0,1]', () => {
    const metrics = classificationMetrics('012012'.split(''), '021001'.split(''));
    expect(metrics.macroF1).toBeCloseTo(0.26666, 4);
    expect(metrics.accuracy).toBeCloseTo(2 / 6, 12);
    expect(metrics.confusion).toEqual([
      [2, 0, 0],
      [1, 0, 1],
      [0, 2, 0],
    ]);
    expect(metrics.labels[0]).toEqual({ label: '0', precision: 2 / 3, recall: 1, f1: 0.8, support: 2 });
  });

  test('refuses lists of different lengths', () => {
    expect(() => classificationMetrics(['a'], [])).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });
});

describe('entities', () => {
  test('the example of seqeval has F1 0.5', () => {
    const expected = [
      ['O', 'O', 'O', 'B-MISC', 'I-MISC', 'I-MISC', 'O'],
      ['B-PER', 'I-PER', 'O'],
    ];
    const predicted = [
      ['O', 'O', 'B-MISC', 'I-MISC', 'I-MISC', 'I-MISC', 'O'],
      ['B-PER', 'I-PER', 'O'],
    ];
    expect(entityMetrics(expected, predicted)).toEqual({ precision: 0.5, recall: 0.5, f1: 0.5, support: 2 });
  });

  test('an inside tag that continues nothing is no entity', () => {
    expect(strictSpans(['I-PER', 'B-PER', 'I-LOC', 'B-LOC', 'B-LOC', 'I-LOC'])).toEqual([
      { type: 'PER', start: 1, end: 1 },
      { type: 'LOC', start: 3, end: 3 },
      { type: 'LOC', start: 4, end: 5 },
    ]);
  });
});

describe('answers', () => {
  test('are compared as SQuAD does', () => {
    expect(normalizeAnswer('The  Cat, an Ant!')).toBe('cat ant');
    expect(exactMatch(['the Eiffel Tower'], 'Eiffel tower.')).toBe(1);
    expect(exactMatch(['Paris'], 'Lyon')).toBe(0);
    expect(exactMatch([], '')).toBe(1);
    expect(answerF1(['big red dog'], 'red dog runs')).toBeCloseTo(2 / 3, 12);
    expect(answerF1(['x', 'red dog'], 'a red dog')).toBe(1);
    expect(answerF1([], 'something')).toBe(0);
  });
});

describe('correlation', () => {
  test("Spearman's rho of IQ and hours of television is -29/165", () => {
    const iq = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110];
    const hours = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17];
    expect(spearman(iq, hours)).toBeCloseTo(-29 / 165, 12);
  });

  test('equal values share a rank', () => {
    expect(spearman([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(0.948683, 6);
    expect(spearman([1, 1], [1, 2])).toBeNaN();
  });
});

const repeat = (value: boolean, count: number): boolean[] => Array.from({ length: count }, () => value);

describe('paired tests', () => {
  test('McNemar is exact: 2 against 8 has p = 112/1024', () => {
    const first = [...repeat(true, 2), ...repeat(false, 8), ...repeat(true, 5)];
    const second = [...repeat(false, 2), ...repeat(true, 8), ...repeat(true, 5)];
    const result = mcNemar(first, second);
    expect(result).toMatchObject({ onlyFirst: 2, onlySecond: 8 });
    expect(result.pValue).toBeCloseTo(112 / 1024, 12);
    expect(mcNemar(first, first).pValue).toBe(1);
  });

  test('McNemar holds for thousands of examples', () => {
    const result = mcNemar(repeat(true, 3_000), repeat(false, 3_000));
    expect(result.pValue).toBeLessThan(1e-300);
    const even = mcNemar(
      [...repeat(true, 1_500), ...repeat(false, 1_500)],
      [...repeat(false, 1_500), ...repeat(true, 1_500)],
    );
    expect(even.pValue).toBe(1);
  });

  test('the bootstrap finds a real difference, none where there is none, and repeats itself', () => {
    const first = Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 1 : 0));
    const better = first.map((score, i) => (i % 5 === 1 ? 1 : score));
    const result = pairedBootstrap(first, better);
    expect(result.difference).toBeCloseTo(0.1, 12);
    expect(result.interval[0]).toBeGreaterThan(0);
    expect(result.pValue).toBeLessThan(0.01);
    expect(pairedBootstrap(first, better)).toEqual(result);
    expect(pairedBootstrap(first, better, { seed: 2 }).difference).toBe(result.difference);
    expect(pairedBootstrap(first, first)).toEqual({ difference: 0, interval: [0, 0], pValue: 1 });
    expect(() => pairedBootstrap([], [])).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }));
  });
});
