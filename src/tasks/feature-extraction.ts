import { z } from 'zod';
import { paddingOf, type TaskContext, type TaskDefinition } from './definition.js';
import { inOrder, invalidInput, kindOf, parseParameters, textOf } from './input.js';
import { outputNamed, row } from './outputs.js';
import type { EncodingOutputs, OpenTask, PreparedRequest, TaskRequest } from './task.js';
import { readPrompts, type Prompts } from './prompts.js';
import { TOKENIZER_ARGUMENTS, tokenizingOf } from './tokenizer-arguments.js';
import { encodeWhole } from './whole-text.js';

/** Schema of the parameters of feature-extraction. */
export const FeatureExtractionParametersSchema = z.strictObject({
  ...TOKENIZER_ARGUMENTS,
  prompt_name: z.string().optional().describe('Name of a prompt of the model that goes before each text.'),
});

/** Parameters of feature-extraction, as asked. */
export type FeatureExtractionParameters = z.input<typeof FeatureExtractionParametersSchema>;

/** One text or a list of texts. */
export type FeatureExtractionInput = string | readonly string[];

/** Features of one text: `[1][tokens][features]`, special tokens included; of several texts a list of these. */
export type FeatureExtractionOutput =
  | readonly (readonly (readonly number[])[])[]
  | readonly (readonly (readonly (readonly number[])[])[])[];

function features(outputs: EncodingOutputs): number[][] {
  if (outputs['sentence_embedding'] !== undefined) {
    throw invalidInput(
      'parameters.task',
      'the version gives one vector a text, none for each token: ask it for sentence-embeddings',
    );
  }
  const output = outputNamed(outputs, 'last_hidden_state', 'token_embeddings');
  return Array.from({ length: output.dims[0] ?? 0 }, (_, token) => Array.from(row(output, token)));
}

async function prepare(
  { tokenizer }: TaskContext,
  prompts: Prompts,
  { inputs, parameters: asked }: TaskRequest,
): Promise<PreparedRequest> {
  const parameters = parseParameters(FeatureExtractionParametersSchema, asked);
  const tokenizing = tokenizingOf(parameters, false);
  const many = Array.isArray(inputs);
  if (!many && typeof inputs !== 'string')
    throw invalidInput('inputs', `must be a text or texts, not ${kindOf(inputs)}`);
  const values: readonly unknown[] = many ? inputs : [inputs];
  // The pipeline knows no prompts: one goes before the texts only where it is asked for.
  const prompt = parameters.prompt_name === undefined ? '' : prompts.promptOf(parameters);
  const encodings = await inOrder(values, (each, i) => {
    const field = many ? `inputs[${i}]` : 'inputs';
    return encodeWhole(tokenizer, [prompt + textOf(each, field)], field, tokenizing);
  });
  return {
    encodings,
    finish: (outputs): FeatureExtractionOutput =>
      many ? outputs.map((each) => [features(each)]) : outputs.map(features),
  };
}

/** The model's features of each token. */
export const featureExtraction: TaskDefinition = {
  name: 'feature-extraction',
  summary: 'Gives the vector of each token of a text.',
  parameters: FeatureExtractionParametersSchema,
  open: async (context): Promise<OpenTask> => {
    const prompts = await readPrompts(context.files);
    return {
      name: 'feature-extraction',
      ...paddingOf(context.tokenizer),
      prepare: (request) => prepare(context, prompts, request),
    };
  },
};
