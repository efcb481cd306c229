import { spawn } from 'node:child_process';

/** How a program ended. */
export interface ProgramEnd {
  /** Its exit status; absent if it was killed, for the time or the signal, or did not start. */
  readonly code: number | undefined;
  readonly stdout: string;
  /** Its last 64 KiB, or why it did not start. */
  readonly stderr: string;
}

/** What pip may need of the node's environment; the rest, which may hold secrets, is not handed on. */
const HANDED_ON =
  /^(PATH|HOME|TMPDIR|TEMP|TMP|SYSTEMROOT|PIP_\w+|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_\w+|REQUESTS_CA_BUNDLE)$/i;
const KEPT_CHARACTERS = 65_536;

/** Runs a program to its end, with its process group killed at the time's end or when the signal fires. Never rejects. */
export function runProgram(
  program: string,
  args: readonly string[],
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<ProgramEnd> {
  const entries = Object.entries(process.env).filter(([name]) => HANDED_ON.test(name));
  const env = { ...Object.fromEntries(entries), LANG: 'C.UTF-8' };
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout = (stdout + text).slice(-KEPT_CHARACTERS)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-KEPT_CHARACTERS)));
    const kill = (): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // No such group: it has ended, or this system has no groups.
        child.kill('SIGKILL');
      }
    };
    const timer = setTimeout(kill, timeoutMs);
    const end = (code: number | undefined): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', kill);
      resolve({ code, stdout, stderr });
    };
    signal.addEventListener('abort', kill, { once: true });
    if (signal.aborted) kill();
    child.once('error', (error) => {
      stderr += error.message;
      end(undefined);
    });
    child.once('close', (code) => end(code ?? undefined));
  });
}
