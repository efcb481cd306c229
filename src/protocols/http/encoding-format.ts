import { z } from 'zod';
import { ModelkeepError } from '../../core/index.js';

/** How the numbers of vectors are written down: as they are, or as little-endian 32-bit floats in base64. */
export const encodingFormat = z.enum(['float', 'base64']);

/** A vector as the base64 of its 32-bit floats. */
export function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.alloc(4 * vector.length);
  vector.forEach((value, at) => bytes.writeFloatLE(value, 4 * at));
  return bytes.toString('base64');
}

/** The numbers as they are. */
export const asGiven = (output: unknown): unknown => output;

/** The tasks whose answers are vectors of texts, which the clients of Hugging Face ask for in either format. */
const OF_TEXTS = 'sentence-embeddings';
const OF_TOKENS = 'feature-extraction';

/**
 * Takes the format of the vectors out of the parameters of a task that gives some.
 *
 * @returns the other parameters, and how the answer is written
 * @throws ModelkeepError `INVALID_INPUT` for a format that there is not, and for base64 of the vectors of tokens
 */
export function withoutFormat(
  task: string | undefined,
  parameters: Readonly<Record<string, unknown>>,
): { readonly parameters: Readonly<Record<string, unknown>>; readonly write: (output: unknown) => unknown } {
  const { encoding_format: asked, ...others } = parameters;
  if (asked === undefined || (task !== OF_TEXTS && task !== OF_TOKENS)) return { parameters, write: asGiven };
  const parsed = encodingFormat.safeParse(asked);
  if (!parsed.success || (parsed.data === 'base64' && task === OF_TOKENS)) {
    const known = task === OF_TOKENS ? '"float"' : '"float" or "base64"';
    throw new ModelkeepError('INVALID_INPUT', `parameters.encoding_format must be ${known} for ${task}`, {
      details: { field: 'parameters.encoding_format' },
    });
  }
  return { parameters: others, write: parsed.data === 'float' ? asGiven : written };
}

/** The vector of a text, or those of texts, in base64. */
function written(output: unknown): unknown {
  const vectors = output as readonly number[] | readonly (readonly number[])[];
  return Array.isArray(vectors[0])
    ? (vectors as readonly (readonly number[])[]).map(base64Of)
    : base64Of(vectors as readonly number[]);
}
