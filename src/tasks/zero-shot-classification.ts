import { z } from 'zod';
import { ModelkeepError } from '../core/index.js';
import { paddingOf, type TaskContext, type TaskDefinition } from './definition.js';
import { inOrder, invalidInput, kindOf, parseParameters, textOf } from './input.js';
import { outputNamed } from './outputs.js';
import { softmax } from './scores.js';
import { TOKENIZER_ARGUMENTS, tokenizingOf } from './tokenizer-arguments.js';
import type { OpenTask, PreparedRequest, TaskRequest } from './task.js';

/** Schema of the parameters of zero-shot-classification. */
export const ZeroShotParametersSchema = z.strictObject({
  candidate_labels: z
    .union([z.string(), z.array(z.string()).max(1_000)])
    .describe('Labels to choose from: a list, or a text with commas between them.'),
  hypothesis_template: z
    .string()
    .default('This example is {}.')
    .describe('The sentence that a label makes true; {} is the place of the label.'),
  multi_label: z.boolean().default(false).describe('Whether several labels may hold, each scored on its own.'),
  ...TOKENIZER_ARGUMENTS,
});

/** Parameters of zero-shot-classification, as asked. */
export type ZeroShotParameters = z.input<typeof ZeroShotParametersSchema>;

/** One text or a list of texts. */
export type ZeroShotInput = string | readonly string[];

/** Labels by falling score. */
export interface ZeroShotAnswer {
  readonly sequence: string;
  readonly labels: readonly string[];
  readonly scores: readonly number[];
}

/** One answer, or one for each text of a list. */
export type ZeroShotOutput = ZeroShotAnswer | readonly ZeroShotAnswer[];

function labelsOf(candidates: string | readonly string[]): readonly string[] {
  const labels =
    typeof candidates === 'string'
      ? candidates
          .split(',')
          .map((label) => label.trim())
          .filter((label) => label !== '')
      : candidates;
  if (labels.length === 0) throw invalidInput('parameters.candidate_labels', 'has no label');
  return labels.map((label) => textOf(label, 'parameters.candidate_labels'));
}

/** Scores of the labels from the logits of their pairs, as the pipeline computes them. */
function scoresOf(logits: readonly ArrayLike<number>[], named: number | undefined, each: boolean): number[] {
  const last = (logits[0]?.length ?? 1) - 1;
  const entailment = named ?? last;
  if (!each) return softmax(logits.map((row) => row[entailment] ?? 0));
  const contradiction = named === 0 ? last : 0;
  return logits.map((row) => softmax([row[contradiction] ?? 0, row[entailment] ?? 0])[1] ?? 0);
}

/** The id of the entailment label; undefined where none is named so, which stands for the last one. */
function entailmentOf({ config }: TaskContext): number | undefined {
  // What config.json leaves out stands for two labels without names.
  const labels = config.labels ?? ['LABEL_0', 'LABEL_1'];
  const named = config.label2id ?? Object.fromEntries(labels.map((label, id) => [label, id]));
  const found = Object.entries(named).find(([label]) => label.toLowerCase().startsWith('entail'));
  if (labels.length < 2) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      'Zero-shot classification needs a model with an entailment label; publish with --task text-classification',
    );
  }
  if (found === undefined) return undefined;
  const [label, id] = found;
  if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 && id < labels.length) return id;
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `config.json: label2id.${label} is ${JSON.stringify(id)}, not the id of one of ${labels.length} labels`,
  );
}

async function prepare(context: TaskContext, { inputs, parameters: asked }: TaskRequest): Promise<PreparedRequest> {
  const parameters = parseParameters(ZeroShotParametersSchema, asked);
  const labels = labelsOf(parameters.candidate_labels);
  const template = textOf(parameters.hypothesis_template, 'parameters.hypothesis_template');
  if (!template.includes('{}')) throw invalidInput('parameters.hypothesis_template', 'has no {} for the label');
  const many = Array.isArray(inputs);
  if (!many && typeof inputs !== 'string')
    throw invalidInput('inputs', `must be a text or texts, not ${kindOf(inputs)}`);
  const values: readonly unknown[] = many ? inputs : [inputs];
  const texts = values.map((each, i) => textOf(each, many ? `inputs[${i}]` : 'inputs'));
  const hypotheses = labels.map((label) => template.replace('{}', () => label));
  const pairs = texts.flatMap((text) => hypotheses.map((hypothesis) => [text, hypothesis] as const));
  const tokenizing = tokenizingOf(parameters, true);
  const encodings = await inOrder(pairs, ([text, hypothesis]) =>
    context.tokenizer.encode(text, hypothesis, { ...tokenizing, strategy: tokenizing.strategy ?? 'only_first' }),
  );
  const entailment = entailmentOf(context);
  return {
    encodings,
    finish: (outputs): ZeroShotOutput => {
      const answers = texts.map((sequence, i): ZeroShotAnswer => {
        const own = outputs.slice(i * labels.length, (i + 1) * labels.length);
        const logits = own.map((each) => outputNamed(each, 'logits').data);
        const scores = scoresOf(logits, entailment, parameters.multi_label || labels.length === 1);
        const ranked = labels
          .map((label, at) => ({ label, score: scores[at] ?? 0 }))
          .toSorted((a, b) => b.score - a.score);
        return { sequence, labels: ranked.map(({ label }) => label), scores: ranked.map(({ score }) => score) };
      });
      const [only] = answers;
      return many || only === undefined ? answers : only;
    },
  };
}

/** Which of labels given with the request fit a text. */
export const zeroShotClassification: TaskDefinition = {
  name: 'zero-shot-classification',
  summary: 'Says which of the labels given with the request fit a text, by an entailment model.',
  parameters: ZeroShotParametersSchema,
  open: (context): OpenTask => {
    entailmentOf(context);
    return {
      name: 'zero-shot-classification',
      ...paddingOf(context.tokenizer),
      prepare: (request) => prepare(context, request),
    };
  },
};
