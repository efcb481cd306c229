import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A message as it came in. */
export interface Received {
  readonly id: string;
  readonly path: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Answers a message; left out, 204 is answered. */
export type Answerer = (response: ServerResponse, received: Received) => void;

/** A receiver of webhooks on loopback. */
export class Receiver {
  readonly received: Received[] = [];
  answer: Answerer = (response) => void response.writeHead(204).end();
  #server: Server | undefined;
  #port = 0;

  /** Listens, on the same port as before. */
  async open(): Promise<this> {
    this.#server = createServer((request, response) => void this.#take(request, response));
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/hook`;
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    this.#server?.close();
    if (this.#server !== undefined) await once(this.#server, 'close');
    this.#server = undefined;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part as string;
    const { type, data } = JSON.parse(body) as Pick<Received, 'type' | 'data'>;
    const id = String(request.headers['webhook-id']);
    const one = { id, path: request.url ?? '', type, data, headers: request.headers, body };
    this.received.push(one);
    this.answer(response, one);
  }
}

/** Checks a message as a receiver would, by nothing but the specification. */
export function isSigned({ headers, body }: Received, secret: string): boolean {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const content = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  const wanted = createHmac('sha256', key).update(content).digest('base64');
  const age = Math.abs(Date.now() / 1_000 - Number(headers['webhook-timestamp']));
  return headers['webhook-signature'] === `v1,${wanted}` && age < 60;
}
