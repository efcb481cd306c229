import type { TaskContext } from './definition.js';
import { paddingOf } from './definition.js';
import { invalidInput, tooLong } from './input.js';
import { outputNamed, type Output } from './outputs.js';
import { pool, unit } from './pooling.js';
import { promptsOf, USUAL_PROMPTS, type Prompts } from './prompts.js';
import { countOf, similarityOf, type NamedSimilarity } from './sentence-config.js';
import { describePipeline, pipelineWidth, readSentencePipeline, type SentencePipeline } from './sentence-pipeline.js';
import type { Encoding, EncodingOutputs, OpenTask } from './task.js';
import { givesHalves, nearestHalf } from './half.js';
import { openStaticTexts } from './static-texts.js';
import type { Tokenizing } from './tokenizer-arguments.js';
import type { TextTokenizer } from './tokenizer/tokenizer.js';
import { kept as cutTo } from './tokenizer/truncate.js';
import { encodeWhole } from './whole-text.js';

/** How a vector is wanted. */
export interface VectorForm {
  /** Whether it gets length 1. @defaultValue what `modules.json` says */
  readonly normalize?: boolean | undefined;
  /** How many of its first numbers; length 1 is then that of what is left. @defaultValue what the model says, or all */
  readonly dimensions?: number | undefined;
}

/** Texts to vectors, as `SentenceTransformer.encode` gives them. */
export interface SentenceEncoder extends Prompts {
  /** What the tasks say of their texts: padding, longest text, and facts. */
  readonly about: Pick<OpenTask, 'padId' | 'padLeft' | 'maxTokens' | 'facts'>;
  /** How vectors of the model are compared. */
  readonly similarity: NamedSimilarity;
  /**
   * The tokens of a text, whose prompt is part of it.
   *
   * @throws ModelkeepError `INVALID_INPUT` naming `field` for a text that is too long and may not be cut
   */
  encode(text: string, field: string, tokenizing: Tokenizing): Promise<Encoding>;
  /**
   * Takes ids of tokens as they are; special ones are the caller's.
   *
   * @throws ModelkeepError `INVALID_INPUT` for none, more than may be cut, or one that is no token of the model
   */
  encodeIds(ids: readonly unknown[], field: string, cutting: Tokenizing): Encoding;
  /**
   * The vector of one text.
   *
   * @throws ModelkeepError `INVALID_INPUT` for more dimensions than there are
   */
  vector(outputs: EncodingOutputs | undefined, prompt: string, form?: VectorForm): Promise<number[]>;
}

/** A vector through all that follows the pooling. */
function afterPooling(
  pooled: readonly number[],
  { steps, tables }: SentencePipeline,
  normalize: boolean | undefined,
): number[] {
  let vector = [...pooled];
  for (const step of steps) {
    if (step !== 'normalize') vector = step.apply(vector);
    else if (normalize !== false) vector = unit(vector);
  }
  if (normalize === true && steps.at(-1) !== 'normalize') vector = unit(vector);
  return tables !== undefined && givesHalves(tables) ? vector.map(nearestHalf) : vector;
}

/** A vector that the graph itself pooled: with all modules in it, of which only the length 1 may be done again. */
function pooledByGraph({ data }: Output, { steps }: SentencePipeline, normalize: boolean | undefined): number[] {
  const vector = Array.from(data);
  return (normalize ?? steps.at(-1) === 'normalize') ? unit(vector) : vector;
}

/** The first numbers of a vector. @throws ModelkeepError `INVALID_INPUT` for more than there are */
export function firstOf(vector: number[], dimensions: number, unitLength: boolean): number[] {
  if (dimensions > vector.length) {
    throw invalidInput('parameters.dimensions', `is ${dimensions}, but the vectors have ${vector.length}`);
  }
  const part = vector.slice(0, dimensions);
  return unitLength ? unit(part) : part;
}

/** How many tokens a prompt has before the text, as the library counts: without a special token at its end. */
async function promptLength({ ids }: Encoding, tokenizer: TextTokenizer): Promise<number> {
  const last = ids.at(-1);
  if (last === undefined) return 0;
  const [shown, kept] = await Promise.all([
    tokenizer.decode([last], { skipSpecial: false }),
    tokenizer.decode([last], { skipSpecial: true }),
  ]);
  return shown !== '' && kept === '' ? ids.length - 1 : ids.length;
}

/** Opens the encoder of a version from `modules.json`, the files of its modules and its prompts. */
export async function openSentenceEncoder({ files, tokenizer: own }: TaskContext): Promise<SentenceEncoder> {
  const pipeline = await readSentencePipeline(files);
  const { texts } = pipeline;
  const usualDimensions = countOf(pipeline.config, 'truncate_dim');
  const similarity = similarityOf(pipeline.config, 'cosine');
  const prompts = promptsOf(pipeline.config, USUAL_PROMPTS);
  // What the module says goes before the tokenizer's own limit.
  const tokenizer = texts.maxTokens === undefined ? own : own.withLimit(texts.maxTokens);
  const { maxTokens } = tokenizer;
  const encodeStatic = pipeline.tables && (await openStaticTexts(files, pipeline.tables, tokenizer));
  const encode = (text: string): Promise<Encoding> => tokenizer.encode(texts.clean(text));
  const padding = paddingOf(tokenizer);
  const cut = usualDimensions === undefined ? '' : `, the first ${usualDimensions} numbers`;
  const width = await pipelineWidth(files, pipeline);
  const compared = similarity.name === 'cosine' ? '' : `; compared by ${similarity.name}`;
  const pooled = async (tokens: Output, prompt: string): Promise<number[]> => {
    const skip = prompt === '' || pipeline.includePrompt ? 0 : await promptLength(await encode(prompt), tokenizer);
    if (skip > 0 && skip >= (tokens.dims[0] ?? 0)) {
      throw invalidInput('parameters.prompt', `leaves no room for the text within ${maxTokens} tokens; shorten it`);
    }
    return pool(tokens, pipeline.modes, skip);
  };
  return {
    about: {
      ...padding,
      facts: {
        ...padding.facts,
        pooling: `${describePipeline(pipeline)}${cut}${compared}`,
        width: width === undefined ? usualDimensions : Math.min(width, usualDimensions ?? width),
      },
    },
    ...prompts,
    similarity,
    encode: (text, field, tokenizing) =>
      encodeStatic?.(text, field, tokenizing) ?? encodeWhole(tokenizer, [texts.clean(text)], field, tokenizing),
    encodeIds: (ids, field, { truncate, side }) => {
      if (ids.length > maxTokens && !truncate) throw tooLong(field, maxTokens);
      return { ids: checkIds(tokenizer, cutTo(ids, maxTokens, side === 'left'), field) };
    },
    vector: async (outputs, prompt, { normalize, dimensions } = {}) => {
      const output = outputNamed(outputs, 'last_hidden_state', 'token_embeddings', 'sentence_embedding');
      const isPooled = output === outputs?.['sentence_embedding'];
      const whole =
        isPooled && pipeline.tables === undefined
          ? pooledByGraph(output, pipeline, normalize)
          : afterPooling(isPooled ? Array.from(output.data) : await pooled(output, prompt), pipeline, normalize);
      if (dimensions !== undefined) {
        return firstOf(whole, dimensions, normalize ?? pipeline.steps.at(-1) === 'normalize');
      }
      if (usualDimensions === undefined || usualDimensions >= whole.length) return whole;
      // The library cuts behind all modules, and makes the length 1 anew only where a request asks for it.
      return firstOf(whole, usualDimensions, normalize === true);
    },
  };
}

function checkIds(tokenizer: TextTokenizer, ids: readonly unknown[], field: string): readonly number[] {
  if (ids.length === 0) throw invalidInput(field, 'holds no token');
  return ids.map((id, at) => {
    if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 && tokenizer.has(id)) return id;
    throw invalidInput(`${field}[${at}]`, `is ${JSON.stringify(id)}, which is no token of the model`);
  });
}
