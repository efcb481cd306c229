import { didYouMean, ModelkeepError } from '../core/index.js';
import { isTaskName, type TaskName } from './detect.js';
import { isObject } from './input.js';
import { TOKEN_TASKS } from './token-tasks.js';

/** Tasks whose answers are made of the same outputs, so that a version of one of them can be asked for the others. */
const TOGETHER: readonly (readonly TaskName[])[] = [
  ['sentence-embeddings', 'sentence-similarity', 'feature-extraction'],
  ['text-classification', 'zero-shot-classification', 'text-ranking'],
];

/** Other names of tasks, as `pipeline(…)` of transformers and its hosted services take them. */
const OTHER_NAMES: ReadonlyMap<string, TaskName> = new Map([
  ['sentiment-analysis', 'text-classification'],
  ['ner', 'token-classification'],
  ['embeddings', 'sentence-embeddings'],
]);

/**
 * The tasks that a version published for one can be asked for, that one first; empty for a version without a task.
 * Whether its labels suit a task is found out when it is asked.
 */
export function tasksServedWith(task: string | undefined): readonly string[] {
  if (task === undefined) return [];
  const together = TOGETHER.find((tasks) => (tasks as readonly string[]).includes(task)) ?? [];
  return [task, ...together.filter((other) => other !== task)];
}

/** What a request says of the task that it is for. */
export interface TaskHints {
  /** The task by name; absent: the version's own, or what the shape of the inputs tells. */
  readonly task?: string | undefined;
  readonly inputs: unknown;
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
}

/** The task that inputs have been made for, where their shape belongs to one task alone. */
function taskOfShape({ inputs, parameters }: TaskHints): TaskName | undefined {
  if (isObject(inputs)) {
    if ('source_sentence' in inputs && 'sentences' in inputs) return 'sentence-similarity';
    if ('query' in inputs && 'texts' in inputs) return 'text-ranking';
  }
  return (parameters?.['candidate_labels'] ?? undefined) === undefined ? undefined : 'zero-shot-classification';
}

/**
 * The task that a request asks a version for: the one that it names, the one that its inputs are shaped for, else the
 * version's own.
 *
 * @param published the version's own task
 * @throws ModelkeepError `INVALID_INPUT` for a task that the version does not serve, naming those that it does
 */
export function taskToServe(published: string, hints: TaskHints): string {
  const served = tasksServedWith(published);
  const { task } = hints;
  if (task === undefined) {
    const shaped = taskOfShape(hints);
    return shaped !== undefined && served.includes(shaped) ? shaped : published;
  }
  const name = OTHER_NAMES.get(task) ?? task;
  if (served.includes(name) || TOKEN_TASKS.has(name)) return name;
  const why = isTaskName(name) ? 'the version serves' : 'there is no such task; the version serves';
  throw new ModelkeepError(
    'INVALID_INPUT',
    `The task ${JSON.stringify(task.slice(0, 100))}: ${why} ${served.join(', ')}${didYouMean(name, served)}`,
    {
      details: { field: 'parameters.task' },
    },
  );
}
