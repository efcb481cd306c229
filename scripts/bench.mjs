/** `npm run bench -- NAME [--json] [--quick]`: builds what the benchmark needs and runs it. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { root, runOrExit, setUp } from './set-up.mjs';

const [name, ...rest] = process.argv.slice(2);
const names = readdirSync(`${root}bench`)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.slice(0, -'.bench.ts'.length));
if (!names.includes(name)) {
  console.error(`Name a benchmark: npm run bench -- ${names.join(' | ')} [--json] [--quick]`);
  process.exit(2);
}
setUp();
runOrExit(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-b', `${root}bench`]);
// A benchmark names the sources as tests do and runs what is built: `../src/x` leads to `dist/x`.
const link = `${root}dist/.bench/src`;
mkdirSync(`${root}dist/.bench`, { recursive: true });
if (!existsSync(link)) {
  rmSync(link, { force: true });
  symlinkSync(`${root}dist`, link, process.platform === 'win32' ? 'junction' : 'dir');
}
const program = `${root}dist/.bench/bench/${name}.bench.js`;
const { status } = spawnSync(process.execPath, ['--expose-gc', program, ...rest], { cwd: root, stdio: 'inherit' });
process.exit(status ?? 1);
