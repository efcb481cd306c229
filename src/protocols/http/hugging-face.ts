import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { InferenceService } from '../../serving/index.js';
import { checkBody, requestOptions, tellVersion, wildcard } from './request.js';

const inferenceBody = z.object({
  inputs: z.unknown().refine((value) => value !== undefined, {
    message: 'is missing: give a text, a list of texts, or what the task takes',
  }),
  parameters: z.record(z.string(), z.unknown()).optional(),
  /** Accepted as clients send it; nothing here needs to be waited for or cached. */
  options: z.record(z.string(), z.unknown()).optional(),
});

/** `POST /models/{reference}` with `{"inputs": …, "parameters": …}`: the Hugging Face inference form. */
export function huggingFace(server: FastifyInstance, { service }: { readonly service: InferenceService }): void {
  server.post('/models/*', { config: { operation: 'infer', model: wildcard } }, async (request, reply) => {
    const { inputs, parameters } = checkBody(inferenceBody, request.body);
    const reference = wildcard(request);
    const work = { inputs, ...(parameters === undefined ? {} : { parameters }) };
    const { output, record } = await service.predict(reference, work, requestOptions(request, reply));
    tellVersion(reply, record);
    return reply.send(output);
  });
}
