/** `npm run check`: format, lint, dead code, the package's face, and a report of sizes. Types are checked by the build. */
import { spawnSync } from 'node:child_process';
import { root, setUp } from './set-up.mjs';

const bin = (name) => `${root}node_modules/.bin/${name}`;
/** Name, program, arguments. @type {[string, string, string[]][]} */
const checks = [
  ['format', bin('oxfmt'), ['--check', '.']],
  ['lint', bin('oxlint'), ['--type-aware', '--deny-warnings']],
  ['dead code', bin('knip'), []],
  ['package', bin('publint'), ['--strict']],
  ['types of the package', bin('attw'), ['--pack', '.', '--profile', 'esm-only']],
  ['sizes', process.execPath, [`${root}scripts/size-report.mjs`]],
];

setUp();
const failed = [];
for (const [name, command, args] of checks) {
  console.log(`\n== ${name}`);
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 1, 2],
    shell: process.platform === 'win32',
  });
  if (status !== 0) failed.push(name);
}
if (failed.length > 0) console.error(`\nFailed: ${failed.join(', ')}`);
process.exit(failed.length > 0 ? 1 : 0);
