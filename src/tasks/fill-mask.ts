import { z } from 'zod';
import { paddingOf, type TaskContext, type TaskDefinition } from './definition.js';
import { inOrder, invalidInput, kindOf, parseParameters, textOf } from './input.js';
import { outputNamed, row } from './outputs.js';
import { largest, softmax } from './scores.js';
import type { EncodingOutputs, OpenTask, PreparedRequest, TaskRequest } from './task.js';
import { TOKENIZER_ARGUMENTS, tokenizingOf } from './tokenizer-arguments.js';
import { encodeWhole } from './whole-text.js';

/** Schema of the parameters of fill-mask. */
export const FillMaskParametersSchema = z.strictObject({
  top_k: z.number().int().positive().max(100_000).default(5).describe('How many tokens to propose for each mask.'),
  targets: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .describe('Propose only these words (the first token of each that is none).'),
  ...TOKENIZER_ARGUMENTS,
});

/** Parameters of fill-mask, as asked. */
export type FillMaskParameters = z.input<typeof FillMaskParametersSchema>;

/** One text with at least one mask token, or a list of them. */
export type FillMaskInput = string | readonly string[];

/** A token for a mask, and the text with it. */
export interface MaskProposal {
  readonly score: number;
  /** Id of the token. */
  readonly token: number;
  readonly token_str: string;
  readonly sequence: string;
}

/** Proposals of the mask; for several masks a list each; for several texts a list of these. */
export type FillMaskOutput =
  | readonly MaskProposal[]
  | readonly (readonly MaskProposal[])[]
  | readonly (readonly MaskProposal[] | readonly (readonly MaskProposal[])[])[];

async function targetIds({ tokenizer }: TaskContext, targets: string | readonly string[]): Promise<number[]> {
  const words = typeof targets === 'string' ? [targets] : targets;
  const ids = new Set<number>();
  for (const word of words) {
    const id = tokenizer.idOf(word) ?? (await tokenizer.ids(textOf(word, 'parameters.targets')))[0];
    if (id !== undefined) ids.add(id);
  }
  if (ids.size === 0) throw invalidInput('parameters.targets', 'has no word of which the model knows a token');
  return [...ids];
}

interface PreparedText {
  readonly ids: readonly number[];
  readonly masks: readonly number[];
}

async function finishText(
  { tokenizer }: TaskContext,
  { ids, masks }: PreparedText,
  outputs: EncodingOutputs | undefined,
  count: number,
  targets: readonly number[] | undefined,
): Promise<MaskProposal[] | MaskProposal[][]> {
  const logits = outputNamed(outputs, 'logits');
  const skipSpecial = masks.length === 1;
  const lists = await inOrder(masks, (mask) => {
    const scores = softmax(row(logits, mask));
    const candidates = targets?.map((id) => scores[id] ?? 0) ?? scores;
    return inOrder(largest(candidates, count), async (each): Promise<MaskProposal> => {
      const token = targets?.[each] ?? each;
      const filled = ids.with(mask, token).filter((id) => id !== tokenizer.padId);
      const sequence = await tokenizer.decode(filled, { skipSpecial });
      return {
        score: scores[token] ?? 0,
        token,
        token_str: await tokenizer.decode([token], { skipSpecial: false }),
        sequence,
      };
    });
  });
  return lists.length === 1 ? (lists[0] ?? []) : lists;
}

async function prepare(context: TaskContext, { inputs, parameters: asked }: TaskRequest): Promise<PreparedRequest> {
  const { tokenizer } = context;
  const parameters = parseParameters(FillMaskParametersSchema, asked);
  const many = Array.isArray(inputs);
  if (!many && typeof inputs !== 'string')
    throw invalidInput('inputs', `must be a text or texts, not ${kindOf(inputs)}`);
  const targets = parameters.targets === undefined ? undefined : await targetIds(context, parameters.targets);
  const values: readonly unknown[] = many ? inputs : [inputs];
  const encodings = await inOrder(values, async (each, i) => {
    const field = many ? `inputs[${i}]` : 'inputs';
    const encoding = await encodeWhole(tokenizer, [textOf(each, field)], field, tokenizingOf(parameters, false));
    const masks = encoding.ids.flatMap((id, at) => (id === tokenizer.maskId ? [at] : []));
    if (masks.length === 0)
      throw invalidInput(field, `has no mask token (${tokenizer.maskToken ?? 'the model has none'})`);
    return { encoding, ids: encoding.ids, masks };
  });
  return {
    encodings: encodings.map(({ encoding }) => encoding),
    finish: async (outputs): Promise<FillMaskOutput> => {
      const all = await inOrder(encodings, (text, i) =>
        finishText(context, text, outputs[i], parameters.top_k, targets),
      );
      return all.length === 1 ? (all[0] ?? []) : all;
    },
  };
}

/** Proposes words for the gaps of a text. */
export const fillMask: TaskDefinition = {
  name: 'fill-mask',
  summary: 'Proposes tokens for the masked places of a text.',
  parameters: FillMaskParametersSchema,
  open: (context): OpenTask => ({
    name: 'fill-mask',
    ...paddingOf(context.tokenizer),
    prepare: (request) => prepare(context, request),
  }),
};
