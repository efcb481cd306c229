import { invalidInput, isObject, kindOf } from '../input.js';
import { answerF1, exactMatch } from '../metrics/answer-f1.js';
import { meanOf, pairedBootstrap } from '../metrics/paired.js';
import type { Answer } from '../question-answering.js';
import { inputOfRow, type DataRow } from '../rows.js';
import { byBootstrap, everyPlace, type TaskEvaluation } from './evaluation.js';

interface AnswerOutcome {
  readonly exact: number;
  readonly f1: number;
}

/** `answers` as SQuAD has them (`{text: [...]}`), or a list of texts or of `{text}`, or one text. */
function rightAnswers(row: DataRow): readonly string[] {
  const given = row['answers'] ?? row['answer'];
  const list = isObject(given) ? given['text'] : typeof given === 'string' ? [given] : given;
  if (!Array.isArray(list))
    throw invalidInput('answers', `must be a list of texts or {text: [...]}, not ${kindOf(given)}`);
  return list.map((each: unknown, i) => {
    const text = isObject(each) ? each['text'] : each;
    if (typeof text !== 'string') throw invalidInput(`answers[${i}]`, `must be a text, not ${kindOf(text)}`);
    return text;
  });
}

/** Exact match and F1 of SQuAD, of `question`, `context`, `answers`; no answers mean that there is none. */
export const evaluateAnswers: TaskEvaluation<readonly string[], AnswerOutcome> = {
  figure: 'f1',
  example: (row) => ({ inputs: inputOfRow('question-answering', row), expected: rightAnswers(row) }),
  outcome: (expected, output) => {
    const best = (Array.isArray(output) ? output[0] : output) as Answer | undefined;
    const given = best?.answer ?? '';
    return { exact: exactMatch(expected, given), f1: answerF1(expected, given) };
  },
  loss: ({ f1 }) => 1 - f1,
  measure: (outcomes) => {
    const all = everyPlace(outcomes);
    const exactMatches = meanOf(outcomes.map(({ exact }) => exact))(all);
    return { figures: { exactMatch: exactMatches, f1: meanOf(outcomes.map(({ f1 }) => f1))(all) } };
  },
  compare: (first, second) =>
    byBootstrap(
      'f1',
      pairedBootstrap(
        first.map(({ f1 }) => f1),
        second.map(({ f1 }) => f1),
      ),
    ),
};
