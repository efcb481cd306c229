import { ModelkeepError } from '../../core/index.js';
import { isTaskName, TASK_NAMES, type TaskName } from '../detect.js';
import { evaluateAnswers } from './answers.js';
import { evaluateEntities } from './entities.js';
import type { TaskEvaluation } from './evaluation.js';
import { evaluateClassification, evaluateFillMask, evaluateZeroShot } from './labels.js';
import { evaluateEmbeddings, evaluateRanking, evaluateSimilarity, evaluateSparse } from './sentences.js';

export { SIGNIFICANCE_LEVEL } from './evaluation.js';
export type { EvaluationMetrics, LabelledExample, PairedTest, TaskEvaluation } from './evaluation.js';

const EVALUATIONS: Readonly<Partial<Record<TaskName, TaskEvaluation>>> = {
  'text-classification': evaluateClassification,
  'token-classification': evaluateEntities,
  'question-answering': evaluateAnswers,
  'fill-mask': evaluateFillMask,
  'sentence-embeddings': evaluateEmbeddings,
  'zero-shot-classification': evaluateZeroShot,
  'sentence-similarity': evaluateSimilarity,
  'text-ranking': evaluateRanking,
  'sparse-embeddings': evaluateSparse,
};

/**
 * How a task is measured.
 *
 * @throws ModelkeepError `INVALID_INPUT` for a task that has no right answers, such as feature-extraction, or none at all
 */
export function evaluationOf(task: string | undefined): TaskEvaluation {
  const evaluation = isTaskName(task) ? EVALUATIONS[task] : undefined;
  if (evaluation !== undefined) return evaluation;
  const measured = TASK_NAMES.filter((name) => EVALUATIONS[name] !== undefined).join(', ');
  throw new ModelkeepError(
    'INVALID_INPUT',
    `A model ${task === undefined ? 'without a task' : `of ${task}`} cannot be measured by labelled data; one of ${measured} can`,
  );
}
