import { z } from 'zod';
import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { readSentenceModel, readSpladePooling, SPARSE_OUTPUT, type SpladePooling } from '../formats/index.js';
import { paddingOf, type TaskContext, type TaskDefinition } from './definition.js';
import { inOrder, invalidInput, kindOf, parseParameters, textOf } from './input.js';
import type { Output } from './outputs.js';
import { promptsOf, USUAL_PROMPTS, type Prompts } from './prompts.js';
import { largest } from './scores.js';
import { countOf } from './sentence-config.js';
import { transformerOf } from './sentence-pipeline.js';
import type { EncodingOutputs, PreparedRequest, TaskRequest } from './task.js';
import type { TextTokenizer } from './tokenizer/tokenizer.js';
import { TEXT_CUTTING, tokenizingOf } from './tokenizer-arguments.js';
import { readTransformerSettings } from './transformer-settings.js';
import { encodeWhole } from './whole-text.js';

/** Schema of the parameters of sparse-embeddings. */
export const SparseEmbeddingsParametersSchema = z.strictObject({
  top_k: z
    .number()
    .int()
    .positive()
    .nullable()
    .optional()
    .describe('How many of the largest weights to give. Default: what the model says, or all that are not 0.'),
  return_tokens: z.boolean().default(false).describe('Whether to name the token beside its index.'),
  prompt_name: z.string().optional().describe('Name of a prompt of the model that goes before each text.'),
  prompt: z.string().optional().describe('Text that goes before each text, instead of a named prompt.'),
  ...TEXT_CUTTING,
});

/** Parameters of sparse-embeddings. */
export type SparseEmbeddingsParameters = z.input<typeof SparseEmbeddingsParametersSchema>;

/** One text, or a list of texts. */
export type SparseEmbeddingsInput = string | readonly string[];

/** The weight of one token of the vocabulary. */
export interface TokenWeight {
  /** Id of the token. */
  readonly index: number;
  /** Above 0. */
  readonly value: number;
  /** The token itself, if `return_tokens` asks for it. */
  readonly token?: string;
}

/** The weights of one text by rising index, or of each of a list. */
export type SparseEmbeddingsOutput = readonly TokenWeight[] | readonly (readonly TokenWeight[])[];

/** What a sparse encoder does before and behind the graph. */
interface SparseEncoder extends Prompts {
  readonly tokenizer: TextTokenizer;
  readonly clean: (text: string) => string;
  /** How many weights are given; undefined: all that are not 0. */
  readonly most: number | undefined;
}

async function openSparseEncoder({ files, tokenizer }: TaskContext): Promise<SparseEncoder> {
  const model = await readSentenceModel(files);
  // The library reads its own files only of what it saved as a SparseEncoder.
  if (model?.modelType !== 'SparseEncoder') {
    return { tokenizer, clean: (text) => text, most: undefined, ...promptsOf({}, USUAL_PROMPTS) };
  }
  const texts = await readTransformerSettings(files, model, transformerOf(model), 'fill-mask');
  return {
    tokenizer: texts.maxTokens === undefined ? tokenizer : tokenizer.withLimit(texts.maxTokens),
    clean: texts.clean,
    most: countOf(model.config, 'max_active_dims'),
    ...promptsOf(model.config, USUAL_PROMPTS),
  };
}

/** @throws ModelkeepError `LOAD_FAILED` if the graph gives no sparse vector */
function vectorOf(outputs: EncodingOutputs | undefined): Output {
  const vector = outputs?.[SPARSE_OUTPUT];
  if (vector !== undefined) return vector;
  throw new ModelkeepError(
    'LOAD_FAILED',
    `The model gives no ${SPARSE_OUTPUT}; publish it with --task sparse-embeddings`,
  );
}

/** The tokens that have a weight, by rising index. */
function weightsOf({ data }: Output, most: number | undefined): readonly number[] {
  const active: number[] = [];
  data.forEach((value, index) => {
    if (value > 0) active.push(index);
  });
  if (most === undefined || active.length <= most) return active;
  const kept = largest(
    active.map((index) => data[index] ?? 0),
    most,
  );
  return kept.map((at) => active[at] ?? 0).toSorted((a, b) => a - b);
}

async function prepare(encoder: SparseEncoder, { inputs, parameters: asked }: TaskRequest): Promise<PreparedRequest> {
  const parameters = parseParameters(SparseEmbeddingsParametersSchema, asked);
  const many = Array.isArray(inputs);
  if (!many && typeof inputs !== 'string')
    throw invalidInput('inputs', `must be a text or texts, not ${kindOf(inputs)}`);
  const { tokenizer } = encoder;
  const prompt = textOf(encoder.promptOf(parameters), 'parameters.prompt');
  const tokenizing = tokenizingOf(parameters, true);
  const values: readonly unknown[] = many ? inputs : [inputs];
  const most = parameters.top_k === null ? undefined : (parameters.top_k ?? encoder.most);
  const answer = (outputs: EncodingOutputs): readonly TokenWeight[] => {
    const vector = vectorOf(outputs);
    return weightsOf(vector, most).map((index): TokenWeight => {
      const value = vector.data[index] ?? 0;
      return parameters.return_tokens ? { index, value, token: tokenizer.tokenOf(index) } : { index, value };
    });
  };
  return {
    encodings: await inOrder(values, (each, i) => {
      const field = many ? `inputs[${i}]` : 'inputs';
      return encodeWhole(tokenizer, [encoder.clean(prompt + textOf(each, field))], field, tokenizing);
    }),
    finish: (outputs): SparseEmbeddingsOutput => {
      const all = outputs.map(answer);
      return many ? all : (all[0] ?? []);
    },
  };
}

function describe({ strategy, logarithms }: SpladePooling, most: number | undefined): string {
  const activation = logarithms === 1 ? 'log(1 + relu)' : 'log(1 + log(1 + relu))';
  return `SPLADE, ${strategy} of ${activation}${most === undefined ? '' : `, the largest ${most}`}`;
}

/** A sparse vector is made in the graph, which is authored of checkpoints. @throws ModelkeepError `UNSUPPORTED_FORMAT` */
function needCheckpoint(files: VersionFiles): void {
  if (files.size('config.json') !== undefined && files.paths.some((path) => path.endsWith('.safetensors'))) return;
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    'sparse-embeddings needs a masked language model as a checkpoint: config.json with model.safetensors',
  );
}

/** Sparse vectors: the weight of each token of the vocabulary, of which most are 0. */
export const sparseEmbeddings: TaskDefinition = {
  name: 'sparse-embeddings',
  summary: 'Gives one sparse vector for each text: weights of tokens of the vocabulary.',
  parameters: SparseEmbeddingsParametersSchema,
  open: async (context) => {
    needCheckpoint(context.files);
    const pooling = await readSpladePooling(context.files);
    const encoder = await openSparseEncoder(context);
    const padding = paddingOf(encoder.tokenizer);
    return {
      name: 'sparse-embeddings',
      ...padding,
      facts: { ...padding.facts, pooling: describe(pooling, encoder.most) },
      prepare: (request) => prepare(encoder, request),
    };
  },
};
