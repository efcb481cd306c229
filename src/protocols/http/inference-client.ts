/**
 * The clients of Hugging Face (`huggingface_hub.InferenceClient`, `@huggingface/inference`) expect what their hosted
 * service answers, which differs from the pipelines of transformers for three tasks. They are known by their user
 * agent; where that cannot be set, as in some browsers, the URL says it: `?client=huggingface`.
 */
import type { FastifyRequest } from 'fastify';

type Parameters = Readonly<Record<string, unknown>>;

const USER_AGENT = /\bhf_hub\/|@huggingface\/inference\//;

/** True if a client of Hugging Face asks. */
export function isInferenceClient({ headers, query }: Pick<FastifyRequest, 'headers' | 'query'>): boolean {
  return (query as { client?: unknown }).client === 'huggingface' || USER_AGENT.test(headers['user-agent'] ?? '');
}

/** The options that such a client takes for granted. */
export function clientParameters(task: string | undefined, parameters: Parameters): Parameters {
  return task === 'token-classification' ? { aggregation_strategy: 'simple', ...parameters } : parameters;
}

/** The answer to `inputs` in the shape that such a client reads. */
export function clientAnswer(task: string | undefined, inputs: unknown, output: unknown): unknown {
  const many = Array.isArray(inputs);
  if (task === 'text-classification') return many ? (output as readonly unknown[]).map(listOf) : [listOf(output)];
  if (task === 'zero-shot-classification')
    return many ? (output as readonly unknown[]).map(labelsOf) : labelsOf(output);
  return output;
}

function listOf(labels: unknown): readonly unknown[] {
  return Array.isArray(labels) ? labels : [labels];
}

/** `{labels, scores}` as a list of `{label, score}`. */
function labelsOf(output: unknown): unknown {
  const { labels, scores } = output as { labels: readonly string[]; scores: readonly number[] };
  return labels.map((label, at) => ({ label, score: scores[at] }));
}
