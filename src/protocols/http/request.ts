import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { rightsOf } from '../../access/index.js';
import { ModelkeepError, unknownFields } from '../../core/index.js';
import type { Prediction, RequestOptions } from '../../serving/index.js';

/** Header by which a client says how long it waits, in ms; `0`: no limit. */
export const TIMEOUT_HEADER = 'x-modelkeep-timeout-ms';

/** Longest time that a client may name, in ms: a day, as that of the setting. */
const MAX_TIMEOUT_MS = 86_400_000;
/** Header by which a client says for whom it asks: where an alias is split, the same key gets the same version. */
const KEY_HEADER = 'x-modelkeep-key';

/** The value of a body, checked. @throws ModelkeepError `INVALID_INPUT` naming the field */
export function checkBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body, { error: unknownFields });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue === undefined || issue.path.length === 0 ? 'The body' : `Field "${issue.path.join('.')}"`;
  throw new ModelkeepError('INVALID_INPUT', `${field}: ${issue?.message ?? 'is malformed'}`);
}

/** The client's deadline and key, and a signal that fires when its connection closes before it has its answer. */
export function requestOptions(request: FastifyRequest, reply: FastifyReply): RequestOptions {
  const controller = new AbortController();
  const onClose = (): void => {
    if (!reply.raw.writableEnded) controller.abort(new ModelkeepError('CANCELLED', 'The client went away'));
  };
  // The response's own event: it also fires after a complete answer, so nothing stays on a kept-alive socket.
  reply.raw.once('close', onClose);
  const { [TIMEOUT_HEADER]: header, [KEY_HEADER]: key } = request.headers;
  const { traceContext } = request;
  const asked = {
    signal: controller.signal,
    rights: rightsOf(request.principal),
    ...(typeof key === 'string' ? { key } : {}),
    ...(traceContext === undefined ? {} : { traceContext }),
  };
  if (header === undefined) return asked;
  const timeoutMs = Number(header);
  if (typeof header !== 'string' || !Number.isSafeInteger(timeoutMs) || timeoutMs < 0 || timeoutMs > MAX_TIMEOUT_MS) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `Header ${TIMEOUT_HEADER} is ${JSON.stringify(header)}: give whole milliseconds up to ${MAX_TIMEOUT_MS}, or 0 for no limit`,
    );
  }
  return { ...asked, timeoutMs };
}

/** Says which version answered, and in which precision. */
export function tellVersion(reply: FastifyReply, { record, form }: Pick<Prediction, 'record' | 'form'>): void {
  const { model, version, digest } = record;
  void reply.header('x-modelkeep-model', model).header('x-modelkeep-version', String(version));
  void reply.header('x-modelkeep-precision', form.precision);
  if (digest !== undefined) void reply.header('x-modelkeep-digest', digest);
}

/** What stands for the `*` of a route: names may hold `/`. */
export function wildcard(request: FastifyRequest): string {
  return (request.params as { '*': string })['*'];
}
