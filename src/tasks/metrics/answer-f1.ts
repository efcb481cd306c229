import { f1Of } from './classification.js';

/**
 * An answer as SQuAD's evaluation compares it: lower case, without ASCII punctuation, without the articles a, an and
 * the, white space squeezed (`normalize_answer` of evaluate-v2.0.py; Rajpurkar et al. 2018).
 */
export function normalizeAnswer(answer: string): string {
  const plain = answer.toLowerCase().replaceAll(/[!-/:-@[-`{-~]/g, '');
  return plain
    .replaceAll(/(?<![\p{L}\p{N}_])(a|an|the)(?![\p{L}\p{N}_])/gu, ' ')
    .trim()
    .split(/\s+/)
    .join(' ');
}

/** 1 if the answer equals one of the right ones once normalised, else 0. `right` empty means "no answer". */
export function exactMatch(right: readonly string[], answer: string): number {
  const wanted = right.length === 0 ? [''] : right;
  return wanted.some((each) => normalizeAnswer(each) === normalizeAnswer(answer)) ? 1 : 0;
}

function overlap(right: string, answer: string): number {
  const wanted = normalizeAnswer(right).split(' ').filter(Boolean);
  const given = normalizeAnswer(answer).split(' ').filter(Boolean);
  if (wanted.length === 0 || given.length === 0) return wanted.length === given.length ? 1 : 0;
  const left = new Map<string, number>();
  for (const word of wanted) left.set(word, (left.get(word) ?? 0) + 1);
  let shared = 0;
  for (const word of given) {
    const count = left.get(word) ?? 0;
    if (count > 0) shared++;
    left.set(word, count - 1);
  }
  return f1Of(shared / given.length, shared / wanted.length);
}

/** Best F1 of the words that the answer shares with one of the right ones, 0 to 1 (`compute_f1` of SQuAD's script). */
export function answerF1(right: readonly string[], answer: string): number {
  return Math.max(...(right.length === 0 ? [''] : right).map((each) => overlap(each, answer)));
}
