import { z } from 'zod';
import { paddingOf, type TaskContext, type TaskDefinition } from './definition.js';
import { inOrder, invalidInput, parseParameters, textOf } from './input.js';
import { readPrompts, type Prompts } from './prompts.js';
import type { PreparedRequest, TaskRequest } from './task.js';

const TokenizeParametersSchema = z.strictObject({
  add_special_tokens: z.boolean().default(true),
  prompt_name: z.string().optional(),
});

const DecodeParametersSchema = z.strictObject({ skip_special_tokens: z.boolean().default(true) });

/** One token of a text. */
export interface TextToken {
  readonly id: number;
  readonly text: string;
  /** True for a token that the tokenizer put there. */
  readonly special: boolean;
  /** First Unicode code point in the text, and the one behind the last; null for a special token. */
  readonly start: number | null;
  readonly stop: number | null;
}

/** Longest text that is tokenized for its tokens, in characters: the answer has a record for each token. */
const MAX_CHARACTERS = 1_000_000;

async function tokensOf(
  { tokenizer }: TaskContext,
  prompted: string,
  field: string,
  withSpecial: boolean,
): Promise<TextToken[]> {
  if (prompted.length > MAX_CHARACTERS) {
    throw invalidInput(field, `has ${prompted.length} characters, at most ${MAX_CHARACTERS} are tokenized`);
  }
  const characters = Array.from(prompted);
  const { ids, starts, ends } = await tokenizer.aligned(prompted);
  const own = ids.map((id, at): TextToken => {
    const [start = 0, stop = 0] = [starts[at], ends[at]];
    return { id, text: characters.slice(start, stop).join(''), special: false, start, stop };
  });
  if (!withSpecial) return own;
  const { ids: all, startA } = tokenizer.assemble(ids);
  const special = (id: number): TextToken => ({
    id,
    text: tokenizer.tokenOf(id),
    special: true,
    start: null,
    stop: null,
  });
  return [...all.slice(0, startA).map(special), ...own, ...all.slice(startA + ids.length).map(special)];
}

async function tokenizeTexts(
  context: TaskContext,
  prompts: Prompts,
  { inputs, parameters: asked }: TaskRequest,
): Promise<PreparedRequest> {
  const parameters = parseParameters(TokenizeParametersSchema, asked);
  const many = Array.isArray(inputs);
  const prompt = prompts.promptOf(parameters);
  const all = await inOrder<unknown, TextToken[]>(many ? inputs : [inputs], (each, i) => {
    const field = many ? `inputs[${i}]` : 'inputs';
    return tokensOf(context, prompt + textOf(each, field), field, parameters.add_special_tokens);
  });
  return { encodings: [], finish: () => (many ? all : all[0]) };
}

async function decodeIds(
  { tokenizer }: TaskContext,
  { inputs, parameters: asked }: TaskRequest,
): Promise<PreparedRequest> {
  const parameters = parseParameters(DecodeParametersSchema, asked);
  const texts = await inOrder(inputs as readonly unknown[], (each, i) => {
    if (!Array.isArray(each)) throw invalidInput(`inputs[${i}]`, 'must be a list of ids');
    const ids = each.map((id: unknown, at) => {
      if (typeof id === 'number' && tokenizer.has(id)) return id;
      throw invalidInput(`inputs[${i}][${at}]`, `is ${JSON.stringify(id)}, which is no token of the model`);
    });
    return tokenizer.decode(ids, { skipSpecial: parameters.skip_special_tokens });
  });
  return { encodings: [], finish: () => texts };
}

/** What a version can be asked for that its tokenizer alone answers; these are no tasks that a version is published for. */
export const TOKEN_TASKS: ReadonlyMap<string, TaskDefinition> = new Map(
  (
    [
      {
        name: 'tokenize',
        summary: 'Gives the tokens of texts.',
        parameters: TokenizeParametersSchema,
        open: async (context) => {
          const prompts = await readPrompts(context.files);
          return {
            name: 'tokenize',
            ...paddingOf(context.tokenizer),
            prepare: (request) => tokenizeTexts(context, prompts, request),
          };
        },
      },
      {
        name: 'decode',
        summary: 'Gives the texts of lists of tokens.',
        parameters: DecodeParametersSchema,
        open: (context) => ({
          name: 'decode',
          ...paddingOf(context.tokenizer),
          prepare: (request) => decodeIds(context, request),
        }),
      },
    ] satisfies readonly TaskDefinition[]
  ).map((task) => [task.name, task]),
);
