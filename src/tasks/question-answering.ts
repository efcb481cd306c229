import { z } from 'zod';
import { paddingOf, type TaskContext, type TaskDefinition } from './definition.js';
import { inOrder, invalidInput, isObject, kindOf, parseParameters, textOf } from './input.js';
import { bestSpans } from './spans.js';
import { outputNamed } from './outputs.js';
import type { EncodingOutputs, OpenTask, PreparedRequest, TaskRequest } from './task.js';
import type { AlignedText } from './tokenizer/aligned-text.js';
import type { Assembled } from './tokenizer/template.js';
import { windowsOf } from './tokenizer/windows.js';

const Count = z.number().int().positive().max(1_000);

/** Schema of the parameters of question-answering. */
export const QuestionAnsweringParametersSchema = z.strictObject({
  top_k: Count.default(1).describe('How many answers to give, best first.'),
  doc_stride: z.number().int().nonnegative().optional().describe('Tokens that windows of a long context share.'),
  max_seq_len: Count.max(100_000)
    .optional()
    .describe('Most tokens of a window. Default: 384, or what the model takes.'),
  max_answer_len: Count.default(15).describe('Most tokens of an answer.'),
  max_question_len: Count.default(64).describe('Accepted for compatibility; a question is never cut.'),
  handle_impossible_answer: z.boolean().default(false).describe('Whether "no answer" may be the answer.'),
  padding: z
    .union([z.boolean(), z.enum(['longest', 'max_length', 'do_not_pad'])])
    .optional()
    .describe('Accepted for compatibility: an answer never depends on padding.'),
  align_to_words: z.boolean().default(true).describe('Whether answers begin and end at words.'),
});

/** Parameters of question-answering, as asked. */
export type QuestionAnsweringParameters = z.input<typeof QuestionAnsweringParametersSchema>;

/** A question and the text that may answer it. */
export interface QuestionInContext {
  readonly question: string;
  readonly context: string;
}

/** Several questions about one context, or each about its own. */
export interface QuestionsInContext {
  readonly question: readonly string[];
  readonly context: string | readonly string[];
}

/** One question or a list of them. */
export type QuestionAnsweringInput = QuestionInContext | QuestionsInContext | readonly QuestionInContext[];

/** An answer and where it lies: Unicode code points of the context. */
export interface Answer {
  readonly score: number;
  readonly start: number;
  readonly end: number;
  readonly answer: string;
}

/** One answer, or a list if there are more; for a list of questions a list of these. */
export type QuestionAnsweringOutput = Answer | readonly Answer[] | readonly (Answer | readonly Answer[])[];

type Parameters = z.output<typeof QuestionAnsweringParametersSchema>;

interface Window {
  readonly assembled: Assembled;
  /** Index of the first context token in the encoding. */
  readonly at: number;
  /** First context token of the window. */
  readonly first: number;
  readonly length: number;
}

interface PreparedQuestion {
  readonly characters: readonly string[];
  readonly aligned: AlignedText;
  readonly windows: readonly Window[];
}

function required(value: Readonly<Record<string, unknown>>, key: string, field: string): string {
  const text = textOf(value[key], `${field}.${key}`);
  if (text === '') throw invalidInput(`${field}.${key}`, 'is empty');
  return text;
}

async function prepareQuestion(
  { tokenizer }: TaskContext,
  value: unknown,
  field: string,
  parameters: Parameters,
): Promise<PreparedQuestion> {
  if (!isObject(value)) throw invalidInput(field, `must be {question, context}, not ${kindOf(value)}`);
  const question = required(value, 'question', field);
  const context = required(value, 'context', field);
  const maxSeqLen = Math.min(parameters.max_seq_len ?? 384, tokenizer.maxTokens);
  const stride = parameters.doc_stride ?? Math.min(Math.floor(maxSeqLen / 2), 128);
  if (stride > maxSeqLen) throw invalidInput('parameters.doc_stride', `is larger than max_seq_len, ${maxSeqLen}`);
  const [asked, aligned] = await Promise.all([tokenizer.ids(question, maxSeqLen), tokenizer.aligned(context)]);
  const room = maxSeqLen - tokenizer.added(true) - asked.length;
  if (room < 1) throw invalidInput(`${field}.question`, `leaves no room for the context in ${maxSeqLen} tokens`);
  const windows = windowsOf(
    aligned.ids.length,
    { room, stride, fromEnd: tokenizer.truncateLeft },
    'parameters.doc_stride',
  ).map(([first, end]): Window => {
    const part = aligned.ids.slice(first, end);
    const assembled = tokenizer.padLeft ? tokenizer.assemble(part, asked) : tokenizer.assemble(asked, part);
    return { assembled, at: tokenizer.padLeft ? assembled.startA : assembled.startB, first, length: end - first };
  });
  return { characters: Array.from(context), aligned, windows };
}

/**
 * The questions of a request, if it has a list of them: as a list, or as lists within `question` and `context`.
 *
 * @throws ModelkeepError `INVALID_INPUT` for lists that do not fit each other
 */
function listOf(inputs: unknown): readonly unknown[] | undefined {
  if (Array.isArray(inputs)) return inputs;
  if (!isObject(inputs) || !Array.isArray(inputs['question'])) return undefined;
  const { question: questions, context } = inputs as { readonly question: readonly unknown[]; context: unknown };
  if (Array.isArray(context) && context.length !== questions.length) {
    throw invalidInput('inputs.context', `has ${context.length} contexts for ${questions.length} questions`);
  }
  return questions.map((question, at) => ({
    question,
    context: Array.isArray(context) ? (context[at] as unknown) : context,
  }));
}

/** The place of a span of tokens in the context, widened to whole words of the window if asked. */
function placeOf(
  { aligned }: PreparedQuestion,
  window: Window,
  from: number,
  to: number,
  words: boolean,
): [number, number] {
  let first = window.first + from;
  let last = window.first + to;
  if (words) {
    while (first > window.first && aligned.words[first - 1] === aligned.words[first]) first--;
    const end = window.first + window.length - 1;
    while (last < end && aligned.words[last + 1] === aligned.words[last]) last++;
  }
  return [aligned.starts[first] ?? 0, aligned.ends[last] ?? 0];
}

function finishQuestion(
  { tokenizer }: TaskContext,
  question: PreparedQuestion,
  outputs: readonly EncodingOutputs[],
  parameters: Parameters,
): Answer | Answer[] {
  const answers: Answer[] = [];
  let nullScore = 1_000_000;
  question.windows.forEach((window, i) => {
    const starts = outputNamed(outputs[i], 'start_logits').data;
    const ends = outputNamed(outputs[i], 'end_logits').data;
    const { ids } = window.assembled;
    const allowed = ids.map((id, at) => (at >= window.at && at < window.at + window.length) || id === tokenizer.clsId);
    const found = bestSpans(starts, ends, allowed, parameters.max_answer_len, parameters.top_k);
    nullScore = Math.min(nullScore, found.nullScore);
    for (const span of found.spans) {
      const inContext = span.start >= window.at && span.end < window.at + window.length;
      if (!inContext) continue;
      const words = parameters.align_to_words;
      const [start, end] = placeOf(question, window, span.start - window.at, span.end - window.at, words);
      answers.push({ score: span.score, start, end, answer: question.characters.slice(start, end).join('') });
    }
  });
  if (parameters.handle_impossible_answer) answers.push({ score: nullScore, start: 0, end: 0, answer: '' });
  const best = answers.toSorted((a, b) => b.score - a.score).slice(0, parameters.top_k);
  const [only] = best;
  return best.length === 1 && only !== undefined ? only : best;
}

async function prepare(context: TaskContext, { inputs, parameters: asked }: TaskRequest): Promise<PreparedRequest> {
  const parameters = parseParameters(QuestionAnsweringParametersSchema, asked);
  const listed = listOf(inputs);
  const many = listed !== undefined;
  const values = listed ?? [inputs];
  const questions = await inOrder(values, (each, i) =>
    prepareQuestion(context, each, many ? `inputs[${i}]` : 'inputs', parameters),
  );
  return {
    encodings: questions.flatMap((question) => question.windows.map((window) => window.assembled)),
    finish: (outputs): QuestionAnsweringOutput => {
      let from = 0;
      const all = questions.map((question) =>
        finishQuestion(context, question, outputs.slice(from, (from += question.windows.length)), parameters),
      );
      return many ? all : (all[0] ?? []);
    },
  };
}

/** Finds the answer to a question in a text. */
export const questionAnswering: TaskDefinition = {
  name: 'question-answering',
  summary: 'Finds the answer to a question in a text.',
  parameters: QuestionAnsweringParametersSchema,
  open: (context): OpenTask => ({
    name: 'question-answering',
    ...paddingOf(context.tokenizer),
    prepare: (request) => prepare(context, request),
  }),
};
