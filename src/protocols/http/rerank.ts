import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { InferenceService } from '../../serving/index.js';
import type { RankedText } from '../../tasks/index.js';
import { checkBody, requestOptions, tellVersion } from './request.js';

/** Most documents of one request, as the hosted services bound it. */
const MAX_DOCUMENTS = 10_000;

const document = z.union([z.string(), z.looseObject({ text: z.string() })]);

/** The body of `POST /v1/rerank` and `/v2/rerank`, as the clients of Cohere and Jina send it. */
export const rerankBody = z.looseObject({
  model: z.string().min(1).describe('A reference: NAME, NAME:VERSION or NAME@ALIAS'),
  query: z.string().min(1),
  documents: z.array(document).min(1).max(MAX_DOCUMENTS).describe('Texts, or objects with a field "text"'),
  top_n: z.number().int().positive().nullish().describe('How many documents to give, best first. Default: all'),
  return_documents: z.boolean().nullish().describe('Whether to repeat each document. Default: false'),
});

/** The model of a body that was not checked yet; a malformed one is told when it is. */
function modelOf({ body }: FastifyRequest): string {
  return checkBody(z.object({ model: z.string().min(1) }), body).model;
}

/** Reranking in the form of Cohere (both versions of its API) and Jina, whose answers agree in what they share. */
export function rerank(server: FastifyInstance, { service }: { readonly service: InferenceService }): void {
  for (const [path, errors] of [
    ['/v1/rerank', 'openai'],
    ['/v2/rerank', 'cohere'],
  ] as const) {
    server.post(path, { config: { operation: 'infer', model: modelOf, errors } }, async (request, reply) => {
      const { model, query, documents, top_n: count, return_documents: repeat } = checkBody(rerankBody, request.body);
      const texts = documents.map((one) => (typeof one === 'string' ? one : one.text));
      const answered = await service.predict(
        model,
        { task: 'text-ranking', inputs: { query, texts }, parameters: { top_k: count ?? null } },
        requestOptions(request, reply),
      );
      tellVersion(reply, answered);
      const tokens = answered.tokens ?? 0;
      return {
        id: request.id,
        model,
        object: 'list',
        results: (answered.output as readonly RankedText[]).map(({ index, score }) => ({
          index,
          relevance_score: score,
          ...(repeat === true ? { document: { text: texts[index] } } : {}),
        })),
        usage: { prompt_tokens: tokens, total_tokens: tokens },
        meta: { api_version: { version: path.slice(1, 3) === 'v2' ? '2' : '1' } },
      };
    });
  }
}
