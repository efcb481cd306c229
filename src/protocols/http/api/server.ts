import { isIP } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { errorFor, EVERYBODY, type Principal } from '../../../access/index.js';
import { asModelkeepError, ModelkeepError, openDeadline } from '../../../core/index.js';
import { requestOptions } from '../request.js';
import { API_ROUTES } from './routes.js';
import { API_PREFIX, type ApiCall, type ApiOptions, type ApiRoute } from './route.js';

/** Shortest time between two lines of progress, in ms. */
const PROGRESS_EVERY_MS = 100;
const LINES = 'application/x-ndjson';

/** Serves the management API. */
export function managementApi(server: FastifyInstance, options: ApiOptions): void {
  void server.register(async (bytes) => {
    // The body of an upload is handed on as it comes in.
    bytes.removeAllContentTypeParsers();
    bytes.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    for (const one of API_ROUTES) if (one.takesBytes) add(bytes, one, options);
  });
  for (const one of API_ROUTES) if (!one.takesBytes) add(server, one, options);
}

function add(server: FastifyInstance, route: ApiRoute, options: ApiOptions): void {
  const { about } = route;
  const config = {
    operation: route.operation,
    ...(about === undefined ? {} : { model: (request: FastifyRequest) => about(partsOf(request)) }),
  };
  server.route({
    method: route.method,
    url: `${API_PREFIX}${route.url}`,
    config,
    onRequest: async (request) => refuseForeignPages(request, route, options),
    handler: async (request, reply) => answer(request, reply, route, options),
    ...(route.takesBytes ? { bodyLimit: Number.MAX_SAFE_INTEGER } : {}),
  });
}

function partsOf(request: FastifyRequest): Pick<ApiCall, 'params' | 'query' | 'body'> {
  return { params: request.params as ApiCall['params'], query: request.query, body: request.body };
}

/**
 * A page in a browser can send requests to servers that its user reaches. It cannot name JSON or bytes as what it sends
 * without asking first, which this server does not answer, and its browser says where the page is from.
 */
function refuseForeignPages(request: FastifyRequest, { method, takesBytes }: ApiRoute, { insecure }: ApiOptions): void {
  const { headers, principal, hostname } = request;
  const site = headers['sec-fetch-site'];
  const isForeign = site !== undefined && site !== 'same-origin' && site !== 'none';
  const wanted = takesBytes ? 'application/octet-stream' : 'application/json';
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  const isNamed = method === 'GET' || (method === 'DELETE' && type === undefined) || type === wanted;
  // A name of its own that comes to mean this machine makes a page's requests look like this server's.
  const isNamedOtherwise = isNobody(principal) && !insecure && request.protocol === 'http' && !isPlainHost(hostname);
  if (isNamedOtherwise) {
    throw new ModelkeepError(
      'FORBIDDEN',
      'Without credentials the management API answers to addresses and localhost only',
    );
  }
  if (isForeign) throw new ModelkeepError('FORBIDDEN', 'Pages of other sites may not use the management API');
  if (!isNamed) throw new ModelkeepError('INVALID_INPUT', `Say what you send: content-type ${wanted}`);
}

/** True where nobody is asked for credentials. */
function isNobody(principal: Principal | undefined): boolean {
  return principal === undefined || principal === EVERYBODY;
}

/** True for an address and for `localhost`, which no other site can be called. */
function isPlainHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || isIP(host) !== 0;
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  route: ApiRoute,
  options: ApiOptions,
): Promise<unknown> {
  const { principal } = request;
  if (route.wholeStore && principal?.models !== undefined) {
    throw new ModelkeepError(
      'FORBIDDEN',
      'This is about the whole store, and these credentials allow some models only',
    );
  }
  const { signal: gone = new AbortController().signal, timeoutMs = 0 } = requestOptions(request, reply);
  const deadline = openDeadline(timeoutMs, gone);
  // What is streamed goes on after the handler returned.
  reply.raw.once('close', () => deadline.clear());
  const call = {
    ...partsOf(request),
    options,
    store: options.store,
    principal,
    by: isNobody(principal) ? 'http' : (principal?.name ?? 'http'),
    signal: deadline.signal,
    onProgress: (): void => undefined,
  };
  if (route.long && (request.headers.accept ?? '').includes(LINES)) return stream(reply, route, call);
  const result = await route.handle(call);
  return reply.type(route.givesBytes ? 'application/octet-stream' : 'application/json').send(result);
}

/** Answers line by line: progress, then the result or the error. */
async function stream(reply: FastifyReply, route: ApiRoute, call: ApiCall): Promise<FastifyReply> {
  const { raw } = reply;
  reply.hijack();
  raw.writeHead(200, { 'content-type': LINES, 'cache-control': 'no-store' });
  const write = (line: unknown): void => void (raw.destroyed || raw.write(`${JSON.stringify(line)}\n`));
  let saidMs = Number.NEGATIVE_INFINITY;
  const onProgress = (progress: unknown): void => {
    if (performance.now() - saidMs < PROGRESS_EVERY_MS) return;
    saidMs = performance.now();
    write({ progress });
  };
  try {
    write({ result: await route.handle({ ...call, onProgress }) });
  } catch (error) {
    write({ error: errorFor(call.principal ?? EVERYBODY, asModelkeepError(error)) });
  }
  raw.end();
  return reply;
}
