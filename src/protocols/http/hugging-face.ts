import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ModelkeepError } from '../../core/index.js';
import type { InferenceService } from '../../serving/index.js';
import { currentParameters, taskToServe } from '../../tasks/index.js';
import { asGiven, withoutFormat } from './encoding-format.js';
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

/** Where a task is named by the path: `/pipeline/{task}/{reference}`, as a hosted service had it. */
const PIPELINE = '/pipeline/*';

/** Task and reference of a path below {@link PIPELINE}. @throws ModelkeepError `INVALID_INPUT` for one without both */
function splitPipeline(request: FastifyRequest): { readonly task: string; readonly reference: string } {
  const path = wildcard(request);
  const cut = path.indexOf('/');
  if (cut > 0 && cut < path.length - 1) return { task: path.slice(0, cut), reference: path.slice(cut + 1) };
  throw new ModelkeepError('INVALID_INPUT', `/pipeline/${path} names no model: ask /pipeline/TASK/MODEL`);
}

const pipelineModel = (request: FastifyRequest): string => splitPipeline(request).reference;

/** Says that former names were used, as RFC 9745 has it; since when is when transformers renamed them. */
const DEPRECATED_SINCE = '@1640995200';

/**
 * `POST /models/{reference}` and `POST /pipeline/{task}/{reference}` with `{"inputs": …, "parameters": …}`: the Hugging
 * Face inference form.
 */
export function huggingFace(server: FastifyInstance, { service }: { readonly service: InferenceService }): void {
  const refuse = (model: (request: FastifyRequest) => string) => (request: FastifyRequest) =>
    service.refusal(model(request));
  server.post(
    '/models/*',
    { config: { operation: 'infer', model: wildcard, refusal: refuse(wildcard) } },
    (request, reply) => answer(service, wildcard(request), undefined, request, reply),
  );
  server.post(
    PIPELINE,
    { config: { operation: 'infer', model: pipelineModel, refusal: refuse(pipelineModel) } },
    (request, reply) => {
      const { task, reference } = splitPipeline(request);
      return answer(service, reference, task, request, reply);
    },
  );
}

async function answer(
  service: InferenceService,
  reference: string,
  namedTask: string | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  // Clients of feature extraction put its options beside the inputs.
  const { inputs, parameters: within, options: _options, ...beside } = checkBody(inferenceBody, request.body);
  const { task: askedTask, ...asked } = { ...beside, ...within };
  const isClient = isInferenceClient(request);
  let served: string | undefined;
  let deprecated: readonly string[] = [];
  let write = asGiven;
  const answered = await service.predict(
    reference,
    ({ task: published }) => {
      const work = { inputs, parameters: asked, task: namedTask ?? taskOf(askedTask) };
      served = published === undefined ? undefined : taskToServe(published, work);
      const current = currentParameters(served, asked);
      ({ deprecated } = current);
      const given = withoutFormat(served, current.parameters);
      ({ write } = given);
      const parameters = isClient ? clientParameters(served, given.parameters) : given.parameters;
      return { inputs, parameters, task: served };
    },
    requestOptions(request, reply),
  );
  tellVersion(reply, answered);
  if (deprecated.length > 0) {
    void reply.header('deprecation', DEPRECATED_SINCE).header('warning', `299 - "${deprecated.join('; ')}"`);
  }
  const output = write(answered.output);
  return reply.send(isClient ? clientAnswer(served, inputs, output) : output);
}

function taskOf(value: unknown): string | undefined {
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  throw new ModelkeepError('INVALID_INPUT', 'parameters.task must be the name of a task', {
    details: { field: 'parameters.task' },
  });
}
