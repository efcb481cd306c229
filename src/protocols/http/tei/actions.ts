import type { z } from 'zod';
import { ModelkeepError } from '../../../core/index.js';
import { TOO_LONG, type RankedText, type TaskRequest } from '../../../tasks/index.js';
import { checkBody } from '../request.js';
import {
  decodeBody,
  embedBody,
  embedTokensBody,
  MAX_BATCH,
  predictBody,
  rerankBody,
  similarityBody,
  tokenizeBody,
} from './bodies.js';
import { EMPTY } from './errors.js';

/** What one request of this form asks of a model, and how its answer is written. */
export interface TeiWork {
  readonly request: TaskRequest;
  /** The task's answer in the shape that clients read. */
  readonly shape: (output: unknown) => unknown;
}

/** One action: what its body is, and what it asks. */
export interface TeiActionDefinition {
  readonly body: z.ZodType;
  readonly summary: string;
  readonly work: (body: unknown) => TeiWork;
}

const same = (output: unknown): unknown => output;

function empty(field: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', `Field "${field}" is empty: give at least one`, {
    details: { field, reason: EMPTY },
  });
}

/** Refuses a list of none, and one that is too long. @throws ModelkeepError `INVALID_INPUT` */
function checkBatch(field: string, length: number): void {
  if (length === 0) throw empty(field);
  if (length > MAX_BATCH) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `Field "${field}" has ${length} elements: give ${MAX_BATCH} at the most`,
      {
        details: { field, reason: TOO_LONG },
      },
    );
  }
}

type Inputs = z.infer<typeof embedBody>['inputs'];

/** One text, or the ids of its tokens. */
function isOne(inputs: Inputs): boolean {
  return typeof inputs === 'string' || typeof inputs[0] === 'number';
}

/** The texts of a request as a list. @throws ModelkeepError `INVALID_INPUT` for none, or too many */
function listOf(inputs: Inputs): readonly unknown[] {
  if (isOne(inputs)) return [inputs];
  checkBatch('inputs', inputs.length);
  return inputs as readonly unknown[];
}

interface Cutting {
  readonly truncate?: boolean | null | undefined;
  readonly truncation_direction?: 'left' | 'right' | null | undefined;
}

/** How texts are cut: this form refuses a long text unless it is told to cut it, and cuts at the end by itself. */
function cutting({ truncate, truncation_direction: side }: Cutting): object {
  return truncate === true ? { truncate, truncation_direction: side ?? 'right' } : { truncate: false };
}

function promptOf(name: string | null | undefined): object {
  return typeof name === 'string' ? { prompt_name: name } : {};
}

function define<T extends z.ZodType>(
  body: T,
  summary: string,
  work: (asked: z.infer<T>) => TeiWork,
): TeiActionDefinition {
  return { body, summary, work: (given) => work(checkBody<z.infer<T>>(body as z.ZodType<z.infer<T>>, given)) };
}

/** A pair or a single text, as the tasks take it. */
function sequenceOf(sequence: readonly string[]): unknown {
  const [text, pair] = sequence;
  return pair === undefined ? text : { text, text_pair: pair };
}

function predictInputs(inputs: z.infer<typeof predictBody>['inputs']): {
  readonly many: boolean;
  readonly list: unknown[];
} {
  if (typeof inputs === 'string') return { many: false, list: [inputs] };
  checkBatch('inputs', inputs.length);
  if (inputs.every((one) => typeof one === 'string')) return { many: false, list: [sequenceOf(inputs)] };
  return { many: true, list: (inputs as readonly (readonly string[])[]).map(sequenceOf) };
}

function logistic(ranked: RankedText): RankedText {
  return { ...ranked, score: 1 / (1 + Math.exp(-ranked.score)) };
}

/** Every action by its name, which is the last part of its path. */
export const TEI_ACTIONS = {
  embed: define(embedBody, 'One vector for each text', ({ inputs, normalize, dimensions, prompt_name, ...rest }) => ({
    request: {
      task: 'sentence-embeddings',
      inputs: listOf(inputs),
      parameters: {
        normalize: normalize ?? true,
        ...(typeof dimensions === 'number' ? { dimensions } : {}),
        ...promptOf(prompt_name),
        ...cutting(rest),
      },
    },
    shape: same,
  })),
  embed_all: define(embedTokensBody, 'One vector for each token of each text', ({ inputs, prompt_name, ...rest }) => ({
    request: {
      task: 'feature-extraction',
      inputs: listOf(inputs),
      parameters: { ...promptOf(prompt_name), ...cutting(rest) },
    },
    // The pipeline puts each text into a batch of one.
    shape: (output) => (output as readonly (readonly unknown[])[]).map(([tokens]) => tokens),
  })),
  embed_sparse: define(embedTokensBody, 'One sparse vector for each text', ({ inputs, prompt_name, ...rest }) => ({
    request: {
      task: 'sparse-embeddings',
      inputs: listOf(inputs),
      parameters: { ...promptOf(prompt_name), ...cutting(rest) },
    },
    shape: same,
  })),
  rerank: define(rerankBody, 'Texts by how well they answer a query', (asked) => {
    const { query, texts, raw_scores, return_text, ...rest } = asked;
    checkBatch('texts', texts.length);
    return {
      request: {
        task: 'text-ranking',
        inputs: { query, texts },
        parameters: {
          raw_scores: true,
          return_text: return_text ?? false,
          ...cutting(rest),
        },
      },
      // Such servers give the logistic function, whatever activation the model's own library has.
      shape: (output) => (raw_scores === true ? output : (output as readonly RankedText[]).map(logistic)),
    };
  }),
  predict: define(
    predictBody,
    'Labels of a text, of a pair, or of a batch of these',
    ({ inputs, raw_scores, ...rest }) => {
      const { many, list } = predictInputs(inputs);
      return {
        request: {
          task: 'text-classification',
          inputs: list,
          parameters: {
            top_k: null,
            ...(raw_scores === true ? { function_to_apply: 'none' } : {}),
            ...cutting(rest),
          },
        },
        shape: many ? same : (output) => (output as readonly unknown[])[0],
      };
    },
  ),
  similarity: define(similarityBody, 'How alike sentences are to one of them', ({ inputs, parameters }) => {
    checkBatch('inputs.sentences', inputs.sentences.length);
    return {
      request: {
        task: 'sentence-similarity',
        inputs,
        parameters: { ...promptOf(parameters?.prompt_name), ...cutting(parameters ?? {}) },
      },
      shape: same,
    };
  }),
  tokenize: define(
    tokenizeBody,
    'The tokens of texts, with their places',
    ({ inputs, add_special_tokens, prompt_name }) => ({
      request: {
        task: 'tokenize',
        inputs: listOf(inputs),
        parameters: { add_special_tokens: add_special_tokens ?? true, ...promptOf(prompt_name) },
      },
      shape: same,
    }),
  ),
  decode: define(decodeBody, 'The texts of tokens', ({ ids, skip_special_tokens }) => ({
    request: {
      task: 'decode',
      inputs: listOf(ids.length === 0 ? [] : ids),
      parameters: { skip_special_tokens: skip_special_tokens ?? true },
    },
    shape: same,
  })),
} as const satisfies Readonly<Record<string, TeiActionDefinition>>;

/** Name of an action. */
export type TeiAction = keyof typeof TEI_ACTIONS;

/** The action that a service of one model of a task has at its root. */
export const ROOT_ACTION: Readonly<Record<string, TeiAction>> = {
  'text-classification': 'predict',
  'text-ranking': 'rerank',
  'sentence-similarity': 'similarity',
  'sparse-embeddings': 'embed_sparse',
  'sentence-embeddings': 'embed',
  'feature-extraction': 'embed',
};
