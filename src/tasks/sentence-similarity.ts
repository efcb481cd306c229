import { z } from 'zod';
import type { TaskDefinition } from './definition.js';
import { inOrder, invalidInput, isObject, kindOf, parseParameters, textOf } from './input.js';
import { openSentenceEncoder, type SentenceEncoder } from './sentence-encoder.js';
import type { PreparedRequest, TaskRequest } from './task.js';
import { TEXT_CUTTING, tokenizingOf } from './tokenizer-arguments.js';

/** Schema of the parameters of sentence-similarity. */
export const SentenceSimilarityParametersSchema = z.strictObject({
  prompt_name: z.string().optional().describe('Name of a prompt of the model that goes before each text.'),
  prompt: z.string().optional().describe('Text that goes before each text, instead of a named prompt.'),
  ...TEXT_CUTTING,
});

/** Parameters of sentence-similarity. */
export type SentenceSimilarityParameters = z.input<typeof SentenceSimilarityParametersSchema>;

/** A text and those it is compared with. */
export interface SentenceSimilarityInput {
  readonly source_sentence: string;
  readonly sentences: readonly string[];
}

/**
 * How alike each sentence is to the source, in the order of `sentences`: the cosine, -1 to 1, unless
 * `config_sentence_transformers.json` names another similarity; distances count as negative.
 */
export type SentenceSimilarityOutput = readonly number[];

async function prepare(encoder: SentenceEncoder, { inputs, parameters: asked }: TaskRequest): Promise<PreparedRequest> {
  const parameters = parseParameters(SentenceSimilarityParametersSchema, asked);
  if (!isObject(inputs)) throw invalidInput('inputs', `must be {source_sentence, sentences}, not ${kindOf(inputs)}`);
  const source = textOf(inputs['source_sentence'], 'inputs.source_sentence');
  const { sentences } = inputs;
  if (!Array.isArray(sentences)) throw invalidInput('inputs.sentences', `must be a list, not ${kindOf(sentences)}`);
  const texts = sentences.map((each: unknown, i) => textOf(each, `inputs.sentences[${i}]`));
  const prompt = textOf(encoder.promptOf(parameters), 'parameters.prompt');
  const tokenizing = tokenizingOf(parameters, true);
  return {
    encodings: await inOrder([source, ...texts], (text, i) =>
      encoder.encode(prompt + text, i === 0 ? 'inputs.source_sentence' : `inputs.sentences[${i - 1}]`, tokenizing),
    ),
    finish: async (outputs): Promise<SentenceSimilarityOutput> => {
      const [first = [], ...others] = await inOrder(outputs, (each) => encoder.vector(each, prompt));
      return others.map((other) => encoder.similarity.of(first, other));
    },
  };
}

/** How alike sentences are to one of them. */
export const sentenceSimilarity: TaskDefinition = {
  name: 'sentence-similarity',
  summary: 'Says how alike each of several sentences is to a source sentence.',
  parameters: SentenceSimilarityParametersSchema,
  open: async (context) => {
    const encoder = await openSentenceEncoder(context);
    return {
      name: 'sentence-similarity',
      ...encoder.about,
      prepare: (request) => prepare(encoder, request),
    };
  },
};
