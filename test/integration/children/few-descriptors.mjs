/**
 * A process that runs out of file descriptors while a runner has to be replaced, and gets them back later. Says
 * `failed CODE` for a start that failed, then `joined`, on its standard output. Argument: the built package's folder.
 */
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';

const { onnxRunnerCommand, RunnerPool } = await import(`${process.argv[2]}/runners/index.js`);
const pool = await RunnerPool.open({ command: onnxRunnerCommand(), size: 1 });
const failed = once(pool.events, 'failed');
const joined = once(pool.events, 'joined');
const taken = [];
try {
  for (;;) taken.push(openSync('/dev/null'));
} catch (error) {
  if (error.code !== 'EMFILE') throw error;
}
pool.runners[0].kill();
const [{ code }] = await failed;
for (const descriptor of taken) closeSync(descriptor);
await joined;
console.log(`failed ${code}, joined`);
await pool.close();
