import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ModelkeepError } from '../../core/index.js';
import type { InferenceService } from '../../serving/index.js';
import { clientAnswer, clientParameters, isInferenceClient } from './inference-client.js';
import { checkBody, requestOptions, tellVersion, wildcard } from './request.js';

const inferenceBody = z.looseObject({
  inputs: z.unknown().refine((value) => value !== undefined, {
    message: 'is missing: give a text, a list of texts, or what the task takes',
  }),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  /** Accepted as clients send it; nothing here needs to be waited for or cached. */
  options: z.record(z.string(), z.unknown()).nullish(),
});

/** `POST /models/{reference}` with `{"inputs": …, "parameters": …}`: the Hugging Face inference form. */
export function huggingFace(server: FastifyInstance, { service }: { readonly service: InferenceService }): void {
  const refusal = (request: FastifyRequest): ModelkeepError | undefined => service.refusal(wildcard(request));
  const config = { operation: 'infer', model: wildcard, refusal } as const;
  server.post('/models/*', { config }, async (request, reply) => {
    // Clients of feature extraction put its options beside the inputs.
    const { inputs, parameters, options: _options, ...beside } = checkBody(inferenceBody, request.body);
    const asked = { ...beside, ...parameters };
    const isClient = isInferenceClient(request);
    const answer = await service.predict(
      wildcard(request),
      ({ task }) => ({ inputs, parameters: isClient ? clientParameters(task, asked) : asked }),
      requestOptions(request, reply),
    );
    tellVersion(reply, answer);
    const { output, record } = answer;
    return reply.send(isClient ? clientAnswer(record.task, inputs, output) : output);
  });
}
