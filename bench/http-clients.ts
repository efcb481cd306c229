/**
 * Clients that cost little beside what they measure: HTTP/1.1 over kept-alive sockets, with requests that are written
 * out beforehand and answers of which only the status and the length are read.
 */
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

/** One answer. */
export interface Answer {
  readonly status: number;
  /** The header by which the server says which version answered; empty without it. */
  readonly version: string;
  /** When it was complete, in ms of the monotonic clock. */
  readonly atMs: number;
  readonly ms: number;
}

/** Whom to ask for what. */
export interface Load {
  readonly url: URL;
  readonly path: string;
  readonly bodies: readonly string[];
}

/** One kept-alive connection, which asks one thing at a time. */
export class HttpClient {
  readonly #socket: Socket;
  #received = '';
  #onAnswer: ((head: string) => void) | undefined;
  #onError: ((error: Error) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (chunk: string) => this.#receive(chunk));
    socket.on('error', (error) => this.#onError?.(error));
    socket.on('close', () => this.#onError?.(new Error('The server closed the connection')));
  }

  /** False once the connection is closed, as servers do with those that are idle for long. */
  get isOpen(): boolean {
    return !this.#socket.closed && this.#socket.writable;
  }

  static async open(url: URL): Promise<HttpClient> {
    const socket = connect(Number(url.port), url.hostname);
    await once(socket, 'connect');
    return new HttpClient(socket);
  }

  async ask(request: Buffer): Promise<Answer> {
    const started = performance.now();
    const head = await new Promise<string>((resolve, reject) => {
      this.#onAnswer = resolve;
      this.#onError = reject;
      this.#socket.write(request);
    });
    const atMs = performance.now();
    const version = /\r\nx-modelkeep-version: ([^\r]+)/i.exec(head)?.[1] ?? '';
    return { status: Number(head.slice(9, 12)), version, atMs, ms: atMs - started };
  }

  close(): void {
    this.#onError = undefined;
    this.#socket.destroy();
  }

  #receive(chunk: string): void {
    this.#received += chunk;
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#received)?.[1] ?? 0);
    if (this.#received.length < headEnd + 4 + length) return;
    const head = this.#received.slice(0, headEnd + 2);
    this.#received = '';
    this.#onAnswer?.(head);
  }
}

/** A request as it goes over the wire. */
export function requestOf({ url, path }: Load, body: string): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\n`;
  return Buffer.from(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

/** Clients that ask again as soon as they are answered, for so many seconds, or until `until` settles. */
export async function closedLoop(
  load: Load & { readonly clients: number; readonly seconds?: number; readonly until?: Promise<unknown> },
): Promise<Answer[]> {
  const requests = load.bodies.map((body) => requestOf(load, body));
  const answers: Answer[] = [];
  const loop = { next: 0, over: false };
  const client = async (): Promise<void> => {
    const connection = await HttpClient.open(load.url);
    while (!loop.over) answers.push(await connection.ask(requests[loop.next++ % requests.length]!));
    connection.close();
  };
  const end = (load.until ?? delay(1_000 * (load.seconds ?? 1))).finally(() => (loop.over = true));
  await Promise.all([end, ...Array.from({ length: load.clients }, client)]);
  return answers;
}

/** Requests at a fixed rate, whether or not those before are answered, for so many seconds. */
export async function openLoop(
  load: Load & { readonly perSecond: number; readonly seconds: number; readonly connections: number },
): Promise<{ readonly answers: readonly Answer[]; readonly unsent: number }> {
  const requests = load.bodies.map((body) => requestOf(load, body));
  const idle: HttpClient[] = [];
  const answers: Answer[] = [];
  const asked = new Set<Promise<void>>();
  const counts = { asked: 0, unsent: 0 };
  const ask = async (request: Buffer): Promise<void> => {
    const client = idleOne(idle) ?? (await HttpClient.open(load.url));
    answers.push(await client.ask(request));
    idle.push(client);
  };
  const began = performance.now();
  const total = Math.round(load.perSecond * load.seconds);
  while (counts.asked < total) {
    const due = Math.min(total, ((performance.now() - began) / 1_000) * load.perSecond);
    for (; counts.asked < due; counts.asked += 1) {
      if (asked.size >= load.connections) {
        counts.unsent += 1;
        continue;
      }
      const asking = ask(requests[counts.asked % requests.length]!);
      asked.add(asking);
      asking.then(
        () => asked.delete(asking),
        () => (counts.unsent += Number(asked.delete(asking))),
      );
    }
    await delay(2);
  }
  await Promise.allSettled(asked);
  for (const client of idle) client.close();
  return { answers, unsent: counts.unsent };
}

/** The connection that was used last, of those that are still open. */
function idleOne(idle: HttpClient[]): HttpClient | undefined {
  for (let client = idle.pop(); client !== undefined; client = idle.pop()) if (client.isOpen) return client;
  return undefined;
}
