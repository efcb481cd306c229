import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { asModelkeepError, errorFromJson, ModelkeepError, packageFile, type Abortable } from '../../core/index.js';

/**
 * Runs one of the package's programs in a process that ends afterwards: it gets `input` on its standard input, and says what
 * went wrong as one JSON error on its standard output.
 *
 * @param program name of the program, as in scripts/bundle.mjs
 * @param what the work and what its failure means, as in "The process that compiled the version: it is served uncompiled"
 * @returns what it wrote to its standard output
 * @throws ModelkeepError what the program says; `RUNNER_CRASHED` if it ends otherwise; `CANCELLED` when the signal fires
 */
export async function runChildJob(
  program: 'check' | 'compile' | 'quantize' | 'trial',
  input: string | Uint8Array,
  what: { readonly doer: string; readonly consequence: string },
  { signal }: Abortable = {},
): Promise<string> {
  const child = spawn(process.execPath, [packageFile(`dist/programs/${program}.js`)], {
    env: {},
    stdio: ['pipe', 'pipe', 'ignore'],
    ...(signal === undefined ? {} : { signal, killSignal: 'SIGKILL' }),
  });
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, by) => resolve(by === null ? `ended with exit code ${code}` : `was ended by ${by}`));
  });
  // A process that ended before it read everything says why by its end.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  try {
    const [how, words] = await Promise.all([ended, text(child.stdout)]);
    if (how === 'ended with exit code 0') return words;
    if (words.startsWith('{')) throw errorFromJson(JSON.parse(words) as { readonly code?: unknown });
    throw new ModelkeepError('RUNNER_CRASHED', `${what.doer} ${how}: ${what.consequence}`);
  } catch (error) {
    throw asModelkeepError(error, 'RUNNER_CRASHED');
  }
}
