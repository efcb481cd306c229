import type { ClientServer } from './client-server.js';

/** What `programs/recorder.py` asks about. */
export const TEXT = 'Happy coding !!!';
export const TEXTS = ['A cat sleeps.', 'A dog barks.'];
export const NER = 'Ada Lovelace lived in London.';
export const QA = { question: 'Who wrote it?', context: 'It was Ada who wrote it.' };
export const MASK = 'the new [MASK] won';
export const MATCH = 'A match was won.';
export const LABELS = ['sports', 'politics', 'science'];
export const QUERY = 'which animal sleeps';
export const DOCUMENTS = ['A cat sleeps.', 'It rains in London.', 'Ada wrote a book.'];
export const SIMILAR = { source_sentence: 'A cat sleeps.', sentences: ['A cat naps.', 'A dog barks.'] };
export const LONG = 'cat '.repeat(60) + 'dog '.repeat(60);

/** Labels and scores as the clients of Hugging Face read them. */
export async function zeroShot({ plain }: ClientServer, parameters: object): Promise<unknown> {
  const answer = (await plain('zero-shot', MATCH, { candidate_labels: LABELS, ...parameters })) as {
    labels: string[];
    scores: number[];
  };
  return answer.labels.map((label, at) => ({ label, score: answer.scores[at] }));
}

/** The documents by falling score. */
export async function ranked({ plain }: ClientServer, name: string): Promise<object[]> {
  const answer = (await plain('ranking', { query: QUERY, texts: DOCUMENTS })) as { index: number; score: number }[];
  return answer.map(({ index, score }) => ({ index, [name]: score }));
}
