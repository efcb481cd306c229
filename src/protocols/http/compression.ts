import { pipeline, Readable } from 'node:stream';
import { createDeflate, createGunzip, createGzip, createInflate } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ModelkeepError } from '../../core/index.js';

/** Content codings, and what takes and makes them. */
const CODINGS = {
  gzip: { decode: createGunzip, encode: createGzip },
  deflate: { decode: createInflate, encode: createDeflate },
} as const;

type Coding = keyof typeof CODINGS;

function isCoding(name: string): name is Coding {
  return Object.hasOwn(CODINGS, name);
}

/** Smaller answers are sent as they are: compressing them costs more time than sending them. */
const SMALLEST_COMPRESSED_BYTES = 32_768;
/** The fastest level: numbers hardly shrink more at higher ones. */
const LEVEL = 1;

/** A stream that the framework reads a body from; it compares what came in with the length that was announced. */
type Payload = Readable & { receivedEncodedLength?: number };

/** Takes compressed bodies. The limit of bodies holds for what comes out, as it is read. */
export function acceptCompressedBodies(server: FastifyInstance): void {
  server.addHook('preParsing', async (request, reply, payload) => {
    const coding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
    if (coding === 'identity') return payload;
    if (isCoding(coding)) return decoded(payload, coding, reply);
    const known = Object.keys(CODINGS).join(', ');
    return reply
      .code(415)
      .header('accept-encoding', known)
      .send({
        error: `Bodies of the coding "${coding.slice(0, 40)}" are not taken; known are ${known}`,
        code: 'INVALID_INPUT',
      });
  });
}

function decoded(payload: NodeJS.ReadableStream, coding: Coding, reply: FastifyReply): Payload {
  const decoder = CODINGS[coding].decode();
  const read = async function* (): AsyncGenerator<Buffer> {
    try {
      yield* decoder as AsyncIterable<Buffer>;
    } catch (error) {
      const why = (error as Error).message;
      throw new ModelkeepError('INVALID_INPUT', `The body is not ${coding} throughout: ${why}`, { cause: error });
    }
  };
  const body: Payload = Readable.from(read(), { objectMode: false });
  payload.on('data', ({ byteLength }: Buffer) => {
    body.receivedEncodedLength = (body.receivedEncodedLength ?? 0) + byteLength;
  });
  // Who reads the body hears of errors; nobody does once it was refused for its size.
  pipeline(payload, decoder, () => undefined);
  body.on('error', () => undefined);
  reply.raw.once('close', () => body.destroy());
  return body;
}

/** The first coding that a client takes and this server makes; undefined if there is none. */
function codingFor({ headers }: FastifyRequest): Coding | undefined {
  for (const part of (headers['accept-encoding'] ?? '').split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    if (isCoding(name) && !parameters.some((text) => /^q=0(\.0*)?$/.test(text))) return name;
  }
  return undefined;
}

/** Sends the chunks one after the other, uncopied; compressed if they are many bytes and the client takes it. */
export function sendChunks(request: FastifyRequest, reply: FastifyReply, chunks: readonly Buffer[]): FastifyReply {
  const bytes = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const coding = bytes < SMALLEST_COMPRESSED_BYTES ? undefined : codingFor(request);
  void reply.header('vary', 'accept-encoding');
  const stream = Readable.from(chunks, { objectMode: false });
  if (coding === undefined) return reply.header('content-length', bytes).send(stream);
  return reply.header('content-encoding', coding).send(stream.pipe(CODINGS[coding].encode({ level: LEVEL })));
}
