import { z } from 'zod';
import { ModelkeepError } from '../core/index.js';
import { paddingOf, type TaskContext, type TaskDefinition } from './definition.js';
import { aggregate, mergeOverlapping, type Entity, type TokenScores } from './entities.js';
import { anyCase, inOrder, invalidInput, kindOf, parseParameters, textOf } from './input.js';
import { outputNamed, row } from './outputs.js';
import { softmax } from './scores.js';
import type { EncodingOutputs, OpenTask, PreparedRequest, TaskRequest } from './task.js';
import type { Assembled } from './tokenizer/template.js';
import type { AlignedText } from './tokenizer/aligned-text.js';
import { windowsOf } from './tokenizer/windows.js';

/** Schema of the parameters of token-classification. */
export const TokenClassificationParametersSchema = z.strictObject({
  aggregation_strategy: anyCase(['none', 'simple', 'first', 'average', 'max'])
    .default('none')
    .describe('How tokens become entities: none gives tokens, simple groups tokens, the others decide word by word.'),
  ignore_labels: z.array(z.string()).default(['O']).describe('Labels that are left out of the answer.'),
  stride: z
    .number()
    .int()
    .nonnegative()
    .nullable()
    .optional()
    .describe('Tokens that windows of a long text share; without it a long text is cut. Needs an aggregation.'),
  is_split_into_words: z
    .boolean()
    .default(false)
    .describe('Whether a text is a list of its words, which are tokenized one by one.'),
  delimiter: z
    .string()
    .max(100)
    .default(' ')
    .describe('What stands between the words of a list in the text that start and end are places of.'),
});

/** Parameters of token-classification, as asked. */
export type TokenClassificationParameters = z.input<typeof TokenClassificationParametersSchema>;

/** One text or a list of texts; with `is_split_into_words` the words of a text, or of several texts. */
export type TokenClassificationInput = string | readonly string[] | readonly (readonly string[])[];

/** Entities of one text, or of each of a list. Places are Unicode code points of the text. */
export type TokenClassificationOutput = readonly Entity[] | readonly (readonly Entity[])[];

interface Window {
  readonly assembled: Assembled;
  readonly first: number;
  readonly length: number;
}

interface PreparedText {
  readonly characters: readonly string[];
  readonly aligned: AlignedText;
  readonly windows: readonly Window[];
}

type Parameters = z.output<typeof TokenClassificationParametersSchema>;

/** A text, or the words that it is split into. */
type Text = string | readonly string[];

async function prepareText({ tokenizer }: TaskContext, text: Text, parameters: Parameters): Promise<PreparedText> {
  const room = tokenizer.maxTokens - tokenizer.added(false);
  const stride = parameters.stride ?? undefined;
  const wanted = stride === undefined ? room : undefined;
  const whole = typeof text === 'string' ? text : text.join(parameters.delimiter);
  const aligned =
    typeof text === 'string'
      ? await tokenizer.aligned(text, wanted)
      : await tokenizer.alignedWords(text, parameters.delimiter, wanted);
  const length = aligned.ids.length;
  const spans =
    stride === undefined
      ? [
          tokenizer.truncateLeft
            ? ([Math.max(0, length - room), length] as const)
            : ([0, Math.min(room, length)] as const),
        ]
      : windowsOf(length, { room, stride, fromEnd: tokenizer.truncateLeft }, 'parameters.stride');
  const windows = spans.map(([first, end]) => ({
    assembled: tokenizer.assemble(aligned.ids.slice(first, end)),
    first,
    length: end - first,
  }));
  return { characters: Array.from(whole), aligned, windows };
}

/** Scores, place and text of each token of a window, special tokens left out. */
function tokensOf(context: TaskContext, text: PreparedText, window: Window, outputs: EncodingOutputs): TokenScores[] {
  const { tokenizer } = context;
  const logits = outputNamed(outputs, 'logits');
  const { characters, aligned } = text;
  return Array.from({ length: window.length }, (_, i): TokenScores => {
    const at = window.first + i;
    const id = aligned.ids[at] ?? 0;
    const start = aligned.starts[at] ?? 0;
    const end = aligned.ends[at] ?? start;
    const source = characters.slice(start, end).join('');
    const token = tokenizer.tokenOf(id);
    const unknown = id === tokenizer.unkId;
    const inside =
      tokenizer.subwordPrefix === undefined
        ? start > 0 && !characters.slice(start - 1, start + 1).includes(' ')
        : Array.from(token).length !== end - start;
    const index = window.assembled.startA + i;
    const word = unknown ? source : token;
    return { scores: softmax(row(logits, index)), index, word, start, end, isSubword: inside && !unknown };
  });
}

/** The labels, whose names tell how tokens become entities. @throws ModelkeepError `INVALID_ARTIFACT` for a number */
function namesOf({ config }: TaskContext): readonly string[] {
  return (config.labels ?? []).map((label, id) => {
    if (typeof label === 'string') return label;
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `config.json: id2label.${id} is ${label}, a number; token-classification needs names, such as "O" and "B-PER"`,
    );
  });
}

function finishText(
  context: TaskContext,
  text: PreparedText,
  outputs: readonly EncodingOutputs[],
  parameters: Parameters,
): Entity[] {
  const labels = namesOf(context);
  const labelOf = (id: number): string => labels[id] ?? `LABEL_${id}`;
  const join = (tokens: readonly string[]): string => context.tokenizer.join(tokens);
  const entities = text.windows.flatMap((window, i) => {
    const tokens = tokensOf(context, text, window, outputs[i] ?? {});
    const found = aggregate(tokens, parameters.aggregation_strategy, labelOf, join);
    return found.filter(
      (each) => !parameters.ignore_labels.includes('entity' in each ? each.entity : each.entity_group),
    );
  });
  return text.windows.length > 1 ? mergeOverlapping(entities) : entities;
}

/** The words of a text. @throws ModelkeepError `INVALID_INPUT` for anything but a list of texts */
function wordsOf(value: unknown, field: string): readonly string[] {
  if (!Array.isArray(value)) {
    throw invalidInput(field, `must be a list of words, as is_split_into_words says, not ${kindOf(value)}`);
  }
  return value.map((word: unknown, at) => textOf(word, `${field}[${at}]`));
}

/** The texts of a request, and whether they are several. As in the pipeline, the words of one text are a list of one. */
function textsOf(inputs: unknown, split: boolean): { readonly many: boolean; readonly texts: readonly Text[] } {
  if (split) {
    if (!Array.isArray(inputs)) return { many: true, texts: [wordsOf(inputs, 'inputs')] };
    const lists = inputs as readonly unknown[];
    if (lists.length === 0) throw invalidInput('inputs', 'has no word');
    if (!lists.every((each) => Array.isArray(each))) return { many: true, texts: [wordsOf(inputs, 'inputs')] };
    return { many: true, texts: lists.map((each, i) => wordsOf(each, `inputs[${i}]`)) };
  }
  if (Array.isArray(inputs)) return { many: true, texts: inputs.map((each, i) => textOf(each, `inputs[${i}]`)) };
  if (typeof inputs === 'string') return { many: false, texts: [textOf(inputs, 'inputs')] };
  throw invalidInput('inputs', `must be a text or texts, not ${kindOf(inputs)}`);
}

async function prepare(context: TaskContext, { inputs, parameters: asked }: TaskRequest): Promise<PreparedRequest> {
  const parameters = parseParameters(TokenClassificationParametersSchema, asked);
  if (parameters.stride !== undefined && parameters.stride !== null && parameters.aggregation_strategy === 'none') {
    throw invalidInput('parameters.stride', 'needs an aggregation_strategy other than none');
  }
  const { many, texts: given } = textsOf(inputs, parameters.is_split_into_words);
  const texts = await inOrder(given, (each) => prepareText(context, each, parameters));
  return {
    encodings: texts.flatMap((text) => text.windows.map((window) => window.assembled)),
    finish: (outputs): TokenClassificationOutput => {
      let from = 0;
      const answers = texts.map((text) => {
        const own = outputs.slice(from, (from += text.windows.length));
        return finishText(context, text, own, parameters);
      });
      return many ? answers : (answers[0] ?? []);
    },
  };
}

/** Finds names and other marked spans in a text. */
export const tokenClassification: TaskDefinition = {
  name: 'token-classification',
  summary: 'Finds the labelled words and spans of a text, such as names of people and places.',
  parameters: TokenClassificationParametersSchema,
  open: (context): OpenTask => {
    namesOf(context);
    return {
      name: 'token-classification',
      ...paddingOf(context.tokenizer),
      prepare: (request) => prepare(context, request),
    };
  },
};
