import type {
  FeatureExtractionInput,
  FeatureExtractionOutput,
  FeatureExtractionParameters,
} from './feature-extraction.js';
import type { FillMaskInput, FillMaskOutput, FillMaskParameters } from './fill-mask.js';
import type {
  QuestionAnsweringInput,
  QuestionAnsweringOutput,
  QuestionAnsweringParameters,
} from './question-answering.js';
import type {
  SentenceEmbeddingsInput,
  SentenceEmbeddingsOutput,
  SentenceEmbeddingsParameters,
} from './sentence-embeddings.js';
import type {
  SentenceSimilarityInput,
  SentenceSimilarityOutput,
  SentenceSimilarityParameters,
} from './sentence-similarity.js';
import type { SparseEmbeddingsInput, SparseEmbeddingsOutput, SparseEmbeddingsParameters } from './sparse-embeddings.js';
import type {
  TextClassificationInput,
  TextClassificationOutput,
  TextClassificationParameters,
} from './text-classification.js';
import type { TextRankingInput, TextRankingOutput, TextRankingParameters } from './text-ranking.js';
import type {
  TokenClassificationInput,
  TokenClassificationOutput,
  TokenClassificationParameters,
} from './token-classification.js';
import type { ZeroShotInput, ZeroShotOutput, ZeroShotParameters } from './zero-shot-classification.js';

interface TaskType<Input, Parameters, Output> {
  readonly input: Input;
  readonly parameters: Parameters;
  readonly output: Output;
}

/** What each task takes and gives. */
export interface TaskTypes {
  'text-classification': TaskType<TextClassificationInput, TextClassificationParameters, TextClassificationOutput>;
  'token-classification': TaskType<TokenClassificationInput, TokenClassificationParameters, TokenClassificationOutput>;
  'question-answering': TaskType<QuestionAnsweringInput, QuestionAnsweringParameters, QuestionAnsweringOutput>;
  'fill-mask': TaskType<FillMaskInput, FillMaskParameters, FillMaskOutput>;
  'feature-extraction': TaskType<FeatureExtractionInput, FeatureExtractionParameters, FeatureExtractionOutput>;
  'sentence-embeddings': TaskType<SentenceEmbeddingsInput, SentenceEmbeddingsParameters, SentenceEmbeddingsOutput>;
  'zero-shot-classification': TaskType<ZeroShotInput, ZeroShotParameters, ZeroShotOutput>;
  'sentence-similarity': TaskType<SentenceSimilarityInput, SentenceSimilarityParameters, SentenceSimilarityOutput>;
  'text-ranking': TaskType<TextRankingInput, TextRankingParameters, TextRankingOutput>;
  'sparse-embeddings': TaskType<SparseEmbeddingsInput, SparseEmbeddingsParameters, SparseEmbeddingsOutput>;
}
