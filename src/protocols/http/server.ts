import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { errorFor, EVERYBODY, type Access, type Principal } from '../../access/index.js';
import { asModelkeepError, ModelkeepError, type VersionStore } from '../../core/index.js';
import type { ModelRepository } from '../../serving/index.js';
import { acceptCompressedBodies } from './compression.js';
import { cors } from './cors.js';
import { documentation } from './documentation.js';
import { refuseEarly } from './early-refusal.js';
import { errorAnswer, errorFormOf } from './error-body.js';
import type { ApiOptions } from './api/route.js';
import { guard } from './guard.js';
import { frontPage } from './front-page.js';
import { health } from './health.js';
import { huggingFace } from './hugging-face.js';
import { parseJsonBody } from './json-body.js';
import { createListener, refuseConnection, type ConnectionLimits, type TlsMaterial } from './listener.js';
import { management } from './management.js';
import type { MetricsOptions } from './metrics.js';
import { repositoryChanges } from './model-repository.js';
import { requestIdOf } from '../request-id.js';
import { retryAfterMs } from '../retry-after.js';
import { observe } from './observe.js';
import { openAi } from './openai.js';
import { openInference } from './open-inference.js';
import { rerank } from './rerank.js';
import { HTTP_STATUS } from './status.js';
import { textEmbeddings, type TextEmbeddingsOptions } from './tei/index.js';

/** Options of {@link createHttpServer}. */
export interface HttpServerOptions extends ConnectionLimits, ApiOptions, MetricsOptions, TextEmbeddingsOptions {
  readonly store: VersionStore;
  readonly repository: ModelRepository;
  /** This software's version. */
  readonly version: string;
  /** Largest body of a request, in bytes. */
  readonly maxBodyBytes: number;
  /** Tells who asks. */
  readonly access: Access;
  /** Origins of pages that may ask from a browser; `*`: any. */
  readonly corsOrigins: readonly string[];
  /** Absent: connections are not encrypted. */
  readonly tls?: TlsMaterial;
  /** Takes the log; absent: nothing is logged. Inputs never are. */
  readonly logger?: FastifyBaseLogger;
}

/** Longest model path: a reference with every part at its longest. */
const MAX_PATH_LENGTH = 1_000;

/** Routes that belong together; `inference` is what clients use, `management` what operators do. */
export type RouteGroup = 'inference' | 'management';

/**
 * A server over a service. Health is on each; the groups say what else is.
 *
 * @throws ModelkeepError `INVALID_INPUT` for certificates that cannot be used
 */
export function createHttpServer(options: HttpServerOptions, groups: readonly RouteGroup[]): FastifyInstance {
  const { maxBodyBytes, logger, tls, access } = options;
  const server = Fastify({
    bodyLimit: maxBodyBytes,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    requestIdHeader: false,
    genReqId: ({ headers }) => requestIdOf(headers['x-request-id']),
    routerOptions: { maxParamLength: MAX_PATH_LENGTH },
    forceCloseConnections: 'idle',
    serverFactory: (handler) => createListener(options, tls, handler),
    clientErrorHandler: refuseConnection,
    // A path that cannot be read never gets to a route.
    frameworkErrors: (error, request, reply) => void sendError(request, reply, error, undefined),
    ...(logger === undefined ? { logger: false } : { loggerInstance: logger }),
  });
  acceptCompressedBodies(server);
  acceptAnyJson(server);
  endConnectionsOnClose(server);
  observe(server);
  cors(server, options.corsOrigins);
  guard(server, access);
  refuseEarly(server);
  server.setNotFoundHandler(({ method, url }, reply) => {
    const message = `There is no ${method} ${url.slice(0, 200)}: see /openapi.json`;
    const openAiError = { error: { message, type: 'invalid_request_error', param: null, code: null } };
    return reply.code(404).send(errorFormOf(url) === 'openai' ? openAiError : { error: message });
  });
  server.setErrorHandler((error: FastifyError, request, reply) => {
    const principal = access.required ? request.principal : EVERYBODY;
    return sendError(request, reply, error, principal);
  });
  health(server, options);
  documentation(server, options);
  if (groups.includes('inference')) {
    openInference(server, options);
    frontPage(server, options);
    huggingFace(server, options);
    openAi(server, options);
    rerank(server, options);
    textEmbeddings(server, options);
  }
  if (groups.includes('management')) {
    management(server, options);
    repositoryChanges(server, options.repository);
  }
  return server;
}

/** Clients that leave the content type out, or say `text/plain`, send JSON all the same. */
function acceptAnyJson(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJsonBody(body));
    } catch (error) {
      done(asModelkeepError(error));
    }
  });
}

/** What is answered while the server closes ends its connection, or an idle client would hold the server open. */
function endConnectionsOnClose(server: FastifyInstance): void {
  let closing = false;
  server.addHook('preClose', (done) => {
    closing = true;
    done();
  });
  server.addHook('onSend', (_request, reply, payload, done) => {
    if (closing) void reply.header('connection', 'close');
    done(null, payload);
  });
}

function sendError(
  { url, log, routeOptions }: FastifyRequest,
  reply: FastifyReply,
  error: FastifyError | ModelkeepError,
  principal: Principal | undefined,
): FastifyReply {
  // The framework's own refusals (a body too large, a bad length) carry their status.
  const foreign = !(error instanceof ModelkeepError) && (error.statusCode ?? 500) < 500;
  const known = foreign
    ? new ModelkeepError('INVALID_INPUT', error.message, { cause: error })
    : asModelkeepError(error);
  const status = foreign ? (error.statusCode ?? 400) : HTTP_STATUS[known.code];
  if (status >= 500) log.error({ err: known, code: known.code }, 'request failed');
  if (known.code === 'OVERLOADED') void reply.header('retry-after', String(Math.ceil(retryAfterMs(known) / 1_000)));
  if (known.code === 'UNAUTHENTICATED') void reply.header('www-authenticate', 'Bearer');
  // A path that cannot be read has no route.
  const form = routeOptions?.config?.errors ?? errorFormOf(url);
  const { status: told, body } = errorAnswer(errorFor(principal, known), status, form);
  return reply.code(told).send(body);
}
