import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

const dist = new URL('../../../dist/', import.meta.url).href;

/** Another process of the machine that runs a script over the built rooms and tells what it does line by line. */
export class Script implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<void>;

  /** @param source an ES module; `ROOM('cache')` imports a room, `process.argv` holds `args` from 1 on */
  constructor(source: string, args: readonly string[]) {
    const module = `const ROOM = (name) => import('${dist}' + name + '/index.js');\n${source}`;
    this.#child = spawn(process.execPath, ['--input-type=module', '-e', module, '--', ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#ended = new Promise((resolve) => this.#child.once('exit', () => resolve()));
    if (this.#child.stdout === null) throw new Error('The script has no standard output');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** The next line that it writes. @throws Error if it ends without */
  async line(): Promise<string> {
    const next = await this.#lines.next();
    if (next.done === true) throw new Error('The script ended without a further line');
    return next.value;
  }

  /** Ends its standard input, which is how it is told to go on. */
  go(): void {
    this.#child.stdin?.end();
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
