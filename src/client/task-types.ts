import type * as Schema from './schema.js';

/** The name of a task. */
export type Task = keyof Tasks;

interface Tasks {
  'text-classification': [Schema.TextClassification, Schema.TextClassificationAnswer];
  'token-classification': [Schema.TokenClassification, Schema.TokenClassificationAnswer];
  'question-answering': [Schema.QuestionAnswering, Schema.QuestionAnsweringAnswer];
  'fill-mask': [Schema.FillMask, Schema.FillMaskAnswer];
  'feature-extraction': [Schema.FeatureExtraction, Schema.FeatureExtractionAnswer];
  'sentence-embeddings': [Schema.SentenceEmbeddings, Schema.SentenceEmbeddingsAnswer];
  'zero-shot-classification': [Schema.ZeroShotClassification, Schema.ZeroShotClassificationAnswer];
  'sentence-similarity': [Schema.SentenceSimilarity, Schema.SentenceSimilarityAnswer];
  'text-ranking': [Schema.TextRanking, Schema.TextRankingAnswer];
  'sparse-embeddings': [Schema.SparseEmbeddings, Schema.SparseEmbeddingsAnswer];
}

/** What a model of a task takes; unknown where the task is not said. */
export type InputsOf<T> = T extends Task ? Tasks[T][0]['inputs'] : unknown;
/** What a model of a task answers; unknown where the task is not said. */
export type AnswerOf<T> = T extends Task ? Tasks[T][1] : unknown;
/** The options of a task. */
export type ParametersOf<T> = T extends Task
  ? NonNullable<Tasks[T][0]['parameters']>
  : Readonly<Record<string, unknown>>;

/** Options of `ModelkeepClient.predict`. */
export interface PredictOptions<T extends Task | undefined> {
  /** Types what goes in and comes out; nothing of it is sent. */
  readonly task?: T;
  /** The task's options, such as `{ top_k: 3 }`. */
  readonly parameters?: ParametersOf<T>;
}
