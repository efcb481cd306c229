import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ModelkeepError } from '../../../core/index.js';
import type { InferenceService } from '../../../serving/index.js';
import { requestOptions, tellVersion, wildcard } from '../request.js';
import { ROOT_ACTION, TEI_ACTIONS, type TeiAction } from './actions.js';
import { MAX_BATCH } from './bodies.js';

/** What {@link textEmbeddings} puts on a server. */
export interface TextEmbeddingsOptions {
  readonly service: InferenceService;
  /** This software's version. */
  readonly version: string;
  /** The model that is asked where a request names none; empty: none. */
  readonly defaultModel: string;
  /** Tokens that one run takes at the most. */
  readonly maxBatchTokens: number;
  /** Requests of one version that may wait. */
  readonly maxQueue: number;
  /** Threads that tokenize: one a runner. */
  readonly runners: number;
}

/** Below it lies one server of this form for each model: `/tei/sentiment/embed`. */
const TEI_PREFIX = '/tei';

/** Header that names the model, where the path does not. */
const MODEL_HEADER = 'x-modelkeep-model';

const INFO = 'info';
const HEALTH = 'health';

function isAction(name: string): name is TeiAction {
  return Object.hasOwn(TEI_ACTIONS, name);
}

/** A path below {@link TEI_PREFIX}: a reference, and behind it an action or nothing. */
function splitPath(request: FastifyRequest): { readonly reference: string; readonly action: string } {
  const path = wildcard(request).replace(/\/+$/, '');
  const cut = path.lastIndexOf('/');
  const last = path.slice(cut + 1);
  if (cut > 0 && (isAction(last) || last === INFO || last === HEALTH)) {
    return { reference: path.slice(0, cut), action: last };
  }
  return { reference: path, action: '' };
}

const below = (request: FastifyRequest): string => splitPath(request).reference;

/** The model that a request of the plain paths is about: of the header, the query, the body, or the default. */
function namedBy({ headers, query, body }: FastifyRequest, defaultModel: string): string {
  const header = headers[MODEL_HEADER];
  const { model: asked } = query as { model?: unknown };
  const inBody = typeof body === 'object' && body !== null ? (body as { model?: unknown }).model : undefined;
  for (const name of [header, asked, inBody]) if (typeof name === 'string' && name !== '') return name;
  if (defaultModel !== '') return defaultModel;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `The request names no model: ask ${TEI_PREFIX}/MODEL/… or send the header ${MODEL_HEADER}, ?model= or a field ` +
      '"model"; a server started with --default-model takes that one',
  );
}

/** The HTTP API of Text Embeddings Inference, for the model that the path, a header, the query or the body names. */
export function textEmbeddings(server: FastifyInstance, options: TextEmbeddingsOptions): void {
  const model = (request: FastifyRequest): string => namedBy(request, options.defaultModel);
  const plain = { operation: 'infer', model, errors: 'tei' } as const;
  for (const action of Object.keys(TEI_ACTIONS) as TeiAction[]) {
    server.post(`/${action}`, { config: plain }, (request, reply) =>
      act(options.service, model(request), action, request, reply),
    );
  }
  server.get(`/${INFO}`, { config: { ...plain, operation: 'inspect' } }, (request, reply) =>
    info(options, model(request), request, reply),
  );
  // What a service of one model has at its root; the clients of Hugging Face's endpoints post there.
  server.post('/', { config: plain }, async (request, reply) => root(options.service, model(request), request, reply));

  const one = { operation: 'infer', model: below, errors: 'tei' } as const;
  server.post(`${TEI_PREFIX}/*`, { config: one }, (request, reply) => {
    const { reference, action } = splitPath(request);
    if (isAction(action)) return act(options.service, reference, action, request, reply);
    if (action === '') return root(options.service, reference, request, reply);
    throw new ModelkeepError('INVALID_INPUT', `${TEI_PREFIX}/${reference}/${action} is asked with GET`);
  });
  server.get(`${TEI_PREFIX}/*`, { config: { ...one, operation: 'inspect' } }, async (request, reply) => {
    const { reference, action } = splitPath(request);
    if (action === INFO) return info(options, reference, request, reply);
    if (action === HEALTH || action === '') {
      // Health of a service of one model: the model can answer.
      await options.service.describe(reference, requestOptions(request, reply));
      return reply.code(200).send();
    }
    throw new ModelkeepError('INVALID_INPUT', `${TEI_PREFIX}/${reference}/${action} is asked with POST`);
  });
}

async function act(
  service: InferenceService,
  reference: string,
  action: TeiAction,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { request: work, shape } = TEI_ACTIONS[action].work(request.body);
  const answer = await service.predict(reference, work, requestOptions(request, reply));
  tellVersion(reply, answer);
  return reply.send(shape(answer.output));
}

/** Asks what the model is for, as a service of that one model would. */
async function root(
  service: InferenceService,
  reference: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { record } = await service.follow(reference, requestOptions(request, reply));
  const action = record.task === undefined ? undefined : ROOT_ACTION[record.task];
  if (action !== undefined) return act(service, reference, action, request, reply);
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `${reference} is for ${record.task ?? 'tensors'}, which this form does not have: ask POST /models/${reference}`,
  );
}

async function info(
  { service, version, maxBatchTokens, maxQueue, runners }: TextEmbeddingsOptions,
  reference: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<object> {
  const { record, task, maxTokens, facts, form } = await service.describe(reference, requestOptions(request, reply));
  const labels = facts?.labels ?? [];
  const kinds = {
    id2label: Object.fromEntries(labels.map((label, id) => [String(id), label])),
    label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
  };
  const type =
    task === 'text-ranking'
      ? { reranker: kinds }
      : task === 'text-classification' || task === 'zero-shot-classification'
        ? { classifier: kinds }
        : { embedding: { pooling: task === 'sparse-embeddings' ? 'splade' : (facts?.pooling ?? 'mean') } };
  return {
    model_id: reference,
    model_sha: record.digest ?? null,
    model_dtype: form?.precision === 'fp32' || form === undefined ? 'float32' : form.precision,
    served_model_name: `${record.model}:${record.version}`,
    model_type: type,
    max_concurrent_requests: maxQueue,
    max_input_length: maxTokens ?? null,
    max_batch_tokens: maxBatchTokens,
    max_batch_requests: null,
    max_client_batch_size: MAX_BATCH,
    auto_truncate: false,
    tokenization_workers: runners,
    version,
    sha: null,
    docker_label: null,
  };
}
