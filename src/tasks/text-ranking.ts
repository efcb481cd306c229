import { z } from 'zod';
import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { readSentenceModel, SENTENCE_CONFIG_FILE } from '../formats/index.js';
import { activationNamed, activationOf, type NamedActivation } from './activations.js';
import { paddingOf, type TaskContext, type TaskDefinition } from './definition.js';
import { inOrder, invalidInput, isObject, kindOf, parseParameters, textOf } from './input.js';
import { readJsonObject, type JsonObject } from './json-file.js';
import { outputNamed } from './outputs.js';
import { promptsOf, type Prompts } from './prompts.js';
import { modulesBehind, transformerOf } from './sentence-pipeline.js';
import type { PreparedRequest, TaskRequest } from './task.js';
import type { TextTokenizer } from './tokenizer/tokenizer.js';
import { tokenizingOf, TOKENIZER_ARGUMENTS } from './tokenizer-arguments.js';
import { readTransformerSettings } from './transformer-settings.js';
import { encodeWhole } from './whole-text.js';

/** Schema of the parameters of text-ranking. */
export const TextRankingParametersSchema = z.strictObject({
  raw_scores: z
    .boolean()
    .default(false)
    .describe("Whether to give logits instead of what the model's own activation makes of them."),
  return_text: z.boolean().default(false).describe('Whether to repeat the text beside its score.'),
  top_k: z
    .number()
    .int()
    .positive()
    .nullable()
    .optional()
    .describe('How many texts to give, best first. Default: all.'),
  prompt_name: z.string().optional().describe('Name of a prompt of the model that goes before the query.'),
  prompt: z.string().optional().describe('Text that goes before the query, instead of a named prompt.'),
  ...TOKENIZER_ARGUMENTS,
});

/** Parameters of text-ranking, as asked. */
export type TextRankingParameters = z.input<typeof TextRankingParametersSchema>;

/** A query and the texts to be ranked by it. */
export interface TextRankingInput {
  readonly query: string;
  readonly texts: readonly string[];
}

/** A text, by its place in `texts`, with its score. */
export interface RankedText {
  readonly index: number;
  readonly score: number;
  readonly text?: string;
}

/** The texts by falling score. */
export type TextRankingOutput = readonly RankedText[];

/** What a cross-encoder does before and behind the graph. */
interface CrossEncoder extends Prompts {
  readonly tokenizer: TextTokenizer;
  readonly clean: (text: string) => string;
  readonly activation: NamedActivation;
}

/** The class name of the activation that config.json names for cross-encoders: those of sentence-transformers 4 and older first. */
function activationOfModel(config: JsonObject): readonly [key: string, path: unknown] | undefined {
  const own = config['sentence_transformers'];
  if (isObject(own) && own['activation_fn'] !== undefined)
    return ['sentence_transformers.activation_fn', own['activation_fn']];
  const older = config['sbert_ce_default_activation_function'] ?? undefined;
  return older === undefined ? undefined : ['sbert_ce_default_activation_function', older];
}

/** As `CrossEncoder(folder)` chooses: what the library's own file says, else config.json, else the logistic function. */
async function activationFor(files: VersionFiles, own: JsonObject): Promise<NamedActivation> {
  const saved = own['activation_fn'] ?? undefined;
  if (saved !== undefined) return activationOf(`${SENTENCE_CONFIG_FILE}: activation_fn`, saved);
  const [key, path] = activationOfModel((await readJsonObject(files, 'config.json')) ?? {}) ?? [];
  return key === undefined ? activationNamed('Sigmoid') : activationOf(`config.json: ${key}`, path);
}

async function openCrossEncoder({ files, tokenizer }: TaskContext): Promise<CrossEncoder> {
  const model = await readSentenceModel(files);
  // The library reads its own files only of what it saved as a CrossEncoder.
  if (model?.modelType !== 'CrossEncoder') {
    const activation = await activationFor(files, {});
    return { tokenizer, clean: (text) => text, ...promptsOf({}, []), activation };
  }
  modulesBehind(model, []);
  const texts = await readTransformerSettings(files, model, transformerOf(model), 'sequence-classification');
  return {
    tokenizer: texts.maxTokens === undefined ? tokenizer : tokenizer.withLimit(texts.maxTokens),
    clean: texts.clean,
    ...promptsOf(model.config, []),
    activation: await activationFor(files, model.config),
  };
}

async function prepare(
  { tokenizer, clean, promptOf, activation }: CrossEncoder,
  { inputs, parameters: asked }: TaskRequest,
): Promise<PreparedRequest> {
  const parameters = parseParameters(TextRankingParametersSchema, asked);
  if (!isObject(inputs)) throw invalidInput('inputs', `must be {query, texts}, not ${kindOf(inputs)}`);
  const tokenizing = tokenizingOf(parameters, true);
  const query = textOf(inputs['query'], 'inputs.query');
  const { texts: given } = inputs;
  if (!Array.isArray(given)) throw invalidInput('inputs.texts', `must be a list, not ${kindOf(given)}`);
  const texts = given.map((each: unknown, i) => textOf(each, `inputs.texts[${i}]`));
  const first = clean(textOf(promptOf(parameters), 'parameters.prompt') + query);
  return {
    encodings: await inOrder(texts, (text, i) =>
      encodeWhole(tokenizer, [first, clean(text)], `inputs.texts[${i}]`, tokenizing),
    ),
    finish: (outputs): TextRankingOutput => {
      const ranked = texts.map((text, index): RankedText => {
        const logit = outputNamed(outputs[index], 'logits').data[0] ?? 0;
        const score = parameters.raw_scores ? logit : activation.apply(logit);
        return parameters.return_text ? { index, score, text } : { index, score };
      });
      return ranked.toSorted((a, b) => b.score - a.score).slice(0, parameters.top_k ?? undefined);
    },
  };
}

/** Ranks texts by a query with a cross-encoder: a model of pairs with one label. */
export const textRanking: TaskDefinition = {
  name: 'text-ranking',
  summary: 'Ranks texts by how well they answer a query.',
  parameters: TextRankingParametersSchema,
  open: async (context) => {
    const labels = context.config.labels?.length ?? 1;
    if (labels !== 1) {
      throw new ModelkeepError(
        'UNSUPPORTED_FORMAT',
        `Text ranking needs a model with one label, and this has ${labels}; publish with --task text-classification`,
      );
    }
    const encoder = await openCrossEncoder(context);
    return {
      name: 'text-ranking',
      ...paddingOf(encoder.tokenizer),
      prepare: (request) => prepare(encoder, request),
    };
  },
};
