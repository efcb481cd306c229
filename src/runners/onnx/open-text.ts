import type { VersionFiles } from '../../core/index.js';
import { readTextChoices, textInputs, type SessionPlan } from '../../formats/index.js';
import { firstPosition, openTask, type OpenTask, type OpenTokenizers } from '../../tasks/index.js';
import { TextRuns } from './text-runs.js';

/** A version's task, and the runs of its graph. */
export interface OpenText {
  readonly task: OpenTask;
  /** Runs for it, and for the tasks that read the same outputs. */
  readonly runs: TextRuns;
  /** Opens another task of the version. @throws ModelkeepError as `openTask` */
  readonly open: (task: string) => Promise<OpenTask>;
}

/**
 * Opens a version's task for the graph that answers it.
 *
 * @throws ModelkeepError as `openTask`; `UNSUPPORTED_FORMAT` for a graph that takes no text, or gives nothing that the
 * task reads
 */
export async function openText(
  files: VersionFiles,
  plan: SessionPlan,
  asked: { readonly task: string; readonly tokenizers?: OpenTokenizers | undefined },
): Promise<OpenText> {
  const choices = await readTextChoices(files);
  const inputs = textInputs(plan.inputs, choices.inputs);
  const { tokenizers } = asked;
  const open = (name: string): Promise<OpenTask> =>
    openTask(files, { task: name, tokenizers, maxTokens: inputs.length });
  const task = await open(asked.task);
  const runs = new TextRuns(plan, { task, inputs, choices, firstPosition: await firstPosition(files) });
  return { task, runs, open };
}
