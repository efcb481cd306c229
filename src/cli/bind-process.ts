/** Binds the command line to this process. */
import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { ModelkeepError, packageFile } from '../core/index.js';
import { run } from './program.js';

const { version } = JSON.parse(await readFile(packageFile('package.json'), 'utf8')) as {
  version: string;
};
const interrupt = new AbortController();
// Everything that is under way at once listens to it.
setMaxListeners(0, interrupt.signal);

// The first signal asks to finish, the second one ends the process at once.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupt.signal.aborted) process.exit(130);
    interrupt.abort(new ModelkeepError('CANCELLED', `Interrupted by ${signal}`));
  });
}
// A reader such as `head` may go away first; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const { stdin, stdout, stderr, env } = process;
const code = await run(process.argv.slice(2), {
  stdin,
  stdout,
  stderr,
  environment: env,
  signal: interrupt.signal,
  version,
});
process.exitCode ||= code;
