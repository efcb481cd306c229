import { z } from 'zod';
import { didYouMean } from '../core/index.js';
import type { TaskContext, TaskDefinition } from './definition.js';
import { paddingOf } from './definition.js';
import { anyCase, inOrder, invalidInput, isObject, kindOf, parseParameters, textOf } from './input.js';
import { outputNamed } from './outputs.js';
import { argmax, largest, sigmoid, softmax } from './scores.js';
import type { EncodingOutputs, OpenTask, PreparedRequest, TaskRequest } from './task.js';
import type { Assembled } from './tokenizer/template.js';
import { TOKENIZER_ARGUMENTS, tokenizingOf } from './tokenizer-arguments.js';
import { encodeWhole } from './whole-text.js';

const TopK = z.number().int().positive().max(100_000).nullable();
const FunctionToApply = anyCase(['softmax', 'sigmoid', 'none']);

/** Schema of the parameters of text-classification. */
export const TextClassificationParametersSchema = z.strictObject({
  top_k: TopK.optional().describe('How many labels to give, best first; null for all. Without it, the best one.'),
  function_to_apply: FunctionToApply.optional().describe(
    'What turns logits into scores. Default: sigmoid for multi-label models and one label, none for regression, else softmax.',
  ),
  return_all_scores: z
    .boolean()
    .optional()
    .describe('Former name of top_k: true for all labels, in the order of the model.'),
  ...TOKENIZER_ARGUMENTS,
});

/** Parameters of text-classification. */
export type TextClassificationParameters = z.input<typeof TextClassificationParametersSchema>;

/** A text and, for models of pairs, the text that goes with it. */
export interface TextPair {
  readonly text: string;
  readonly text_pair?: string;
}

/** A pair as a list, as services take it; a list of one text is that text. */
export type TextTuple = readonly [text: string, text_pair?: string];

/** One text, a pair, or a list of them. */
export type TextClassificationInput = string | TextPair | readonly (string | TextPair | TextTuple)[];

/** A label with its score, 0 to 1 unless `function_to_apply` is `none`. */
export interface LabelScore {
  /** A number where config.json names its labels by numbers. */
  readonly label: string | number;
  readonly score: number;
}

/** The pipeline's shapes: one text `[best]`; a list one best each; with `top_k` a list of labels each. */
export type TextClassificationOutput = LabelScore | readonly LabelScore[] | readonly (readonly LabelScore[])[];

/** Reads a text, a `{text, text_pair}` object or a `[text, pair]` list. */
export function readTextPair(value: unknown, field: string): TextPair {
  if (typeof value === 'string') return { text: textOf(value, field) };
  if (Array.isArray(value)) return readTuple(value, field);
  if (!isObject(value)) throw invalidInput(field, `must be a text or {text, text_pair}, not ${kindOf(value)}`);
  const unknown = Object.keys(value).find((key) => key !== 'text' && key !== 'text_pair');
  if (unknown !== undefined)
    throw invalidInput(
      `${field}.${unknown}`,
      `is not a field of {text, text_pair}${didYouMean(unknown, ['text', 'text_pair'])}`,
    );
  const text = textOf(value['text'], `${field}.text`);
  const pair = value['text_pair'];
  return pair === undefined || pair === null ? { text } : { text, text_pair: textOf(pair, `${field}.text_pair`) };
}

function readTuple(value: readonly unknown[], field: string): TextPair {
  const [first, second, ...more] = value;
  // The pipeline once took a pair as a list in a list.
  if (value.length === 1 && Array.isArray(first)) return readTuple(first, `${field}[0]`);
  if (value.length === 0 || more.length > 0) {
    throw invalidInput(field, `has ${value.length} elements: a text is a list of one, a pair a list of two`);
  }
  const text = textOf(first, `${field}[0]`);
  return second === undefined ? { text } : { text, text_pair: textOf(second, `${field}[1]`) };
}

type Apply = z.infer<typeof FunctionToApply>;

function defaultFunction({ config }: TaskContext, labels: number): Apply {
  if (config.problemType === 'regression') return 'none';
  return config.problemType === 'multi_label_classification' || labels === 1 ? 'sigmoid' : 'softmax';
}

/** Scores of the labels of one encoding. */
function scoresOf(context: TaskContext, outputs: EncodingOutputs | undefined, wanted: Apply | undefined): number[] {
  const { data } = outputNamed(outputs, 'logits');
  const apply = wanted ?? defaultFunction(context, data.length);
  if (apply === 'softmax') return softmax(data);
  return apply === 'sigmoid' ? Array.from(data, sigmoid) : Array.from(data);
}

async function prepare(context: TaskContext, request: TaskRequest): Promise<PreparedRequest> {
  const parameters = parseParameters(TextClassificationParametersSchema, request.parameters);
  const { inputs } = request;
  const tokenizing = tokenizingOf(parameters, true);
  const many = Array.isArray(inputs);
  const encode = (value: unknown, field: string): Promise<Assembled> => {
    const { text, text_pair: pair } = readTextPair(value, field);
    return encodeWhole(context.tokenizer, pair === undefined ? [text] : [text, pair], field, tokenizing);
  };
  const encodings = await inOrder(many ? (inputs as unknown[]) : [inputs], (each, i) =>
    encode(each, many ? `inputs[${i}]` : 'inputs'),
  );
  const labelled = (scores: readonly number[], label: number): LabelScore => ({
    label: context.config.labels?.[label] ?? `LABEL_${label}`,
    score: scores[label] ?? 0,
  });
  const finish = (outputs: readonly EncodingOutputs[]): TextClassificationOutput => {
    const all = outputs.map((each) => scoresOf(context, each, parameters.function_to_apply));
    if (parameters.top_k === undefined && parameters.return_all_scores === true) {
      // As the pipeline once gave them: in the order of the model, and a list around the answer to a text.
      const lists = all.map((scores) => scores.map((_, label) => labelled(scores, label)));
      return many || typeof inputs === 'string' ? lists : (lists[0] ?? []);
    }
    if (parameters.top_k === undefined) {
      const best = all.map((scores) => labelled(scores, argmax(scores)));
      return many || typeof inputs === 'string' ? best : (best[0] ?? []);
    }
    const count = parameters.top_k ?? Number.POSITIVE_INFINITY;
    const lists = all.map((scores) => largest(scores, count).map((label) => labelled(scores, label)));
    return many ? lists : (lists[0] ?? []);
  };
  return { encodings, finish };
}

/** Which of the model's labels a text has. */
export const textClassification: TaskDefinition = {
  name: 'text-classification',
  summary: 'Says which of its labels a text, or a pair of texts, has.',
  parameters: TextClassificationParametersSchema,
  open: (context): OpenTask => ({
    name: 'text-classification',
    ...paddingOf(context.tokenizer),
    prepare: (request) => prepare(context, request),
  }),
};
