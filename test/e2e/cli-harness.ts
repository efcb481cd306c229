import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where the test's models lie. */
export const FIXTURES = resolve('test/fixtures');

const PROGRAM = resolve('dist/programs/modelkeep.js');
/** After which a command that does not end is killed, and its test fails. */
const PATIENCE_MS = 25_000;

/** What a command did. */
export interface Ran {
  /** Undefined if it was ended by a signal. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command with `--json` answered. */
export interface JsonRan<T = unknown> {
  readonly code: number;
  readonly value: T;
}

/** A command that runs. */
export interface Running {
  readonly child: ChildProcess;
  /** Resolves when it has ended. */
  readonly ended: Promise<Ran>;
  /** Resolves when its standard output or error holds `text`; rejects if it ends without. */
  says(stream: 'stdout' | 'stderr', text: string): Promise<void>;
  /** What it has written up to now. */
  said(stream: 'stdout' | 'stderr'): string;
}

/** What a command is run with. */
export interface RunOptions {
  /** Written to standard input, which is then closed. */
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** After which it is killed, in ms. @defaultValue 25_000 */
  readonly patienceMs?: number;
}

/** A user's machine: a home of its own, a local store and a cache. */
export interface CliHome extends Disposable {
  readonly root: string;
  readonly storeUrl: string;
  start(args: readonly string[], options?: RunOptions): Running;
  /** Runs `modelkeep …args` to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Runs `modelkeep …args --json` and reads its one document. */
  json(args: readonly string[], options?: RunOptions): Promise<JsonRan>;
}

function collect(child: ChildProcess, patienceMs: number): Running {
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (part: string) => {
      text[name] += part;
      child.emit('said');
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  const ended = once(child, 'close').then(([code]): Ran => {
    clearTimeout(timer);
    return { code: (code as number | null) ?? undefined, ...text };
  });
  const says = async (name: 'stdout' | 'stderr', wanted: string): Promise<void> => {
    let over = false;
    const ending = ended.then(() => (over = true));
    while (!text[name].includes(wanted)) {
      if (over) throw new Error(`It ended without saying ${JSON.stringify(wanted)}: ${text.stdout}${text.stderr}`);
      await Promise.race([once(child, 'said'), ending]);
    }
  };
  return { child, ended, says, said: (name) => text[name] };
}

/** Makes an empty {@link CliHome}. */
export function cliHome(): CliHome {
  const root = mkdtempSync(join(tmpdir(), 'modelkeep-cli-'));
  const storeUrl = `file://${join(root, 'store')}`;
  const base = {
    PATH: process.env.PATH ?? '',
    HOME: root,
    MODELKEEP_STORE: storeUrl,
    MODELKEEP_CACHE_DIR: join(root, 'cache'),
    MODELKEEP_RUNNERS: '1',
  };
  const start = (
    args: readonly string[],
    { input, environment = {}, patienceMs = PATIENCE_MS }: RunOptions = {},
  ): Running => {
    const env = { ...base, ...environment };
    const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: root, env, stdio: 'pipe' });
    // A command may end without reading its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
    return collect(child, patienceMs);
  };
  const run = (args: readonly string[], options?: RunOptions): Promise<Ran> => start(args, options).ended;
  return {
    root,
    storeUrl,
    start,
    run,
    async json(args: readonly string[], options?: RunOptions) {
      const { code, stdout, stderr } = await run([...args, '--json'], options);
      if (code === undefined) throw new Error(`It was killed: ${stderr}`);
      return { code, value: JSON.parse(stdout) as unknown };
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** A fixture's path. */
export function fixture(path: string): string {
  return join(FIXTURES, path);
}

/** The error that a command with `--json` answers. */
export interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string };
}
