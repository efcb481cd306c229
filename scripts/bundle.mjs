/**
 * Bundles the programs of the package from what tsc wrote, into `dist/programs/`: Node.js keeps the source of every module
 * that it loads in memory, so each process had held comments, and packages' parts that nothing uses, for good.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const programs = join(dist, 'programs');
/** Programs by name, and where each begins; `runner` and those after it are started by the code of runners/onnx/. */
const ENTRIES = {
  modelkeep: 'cli/main.js',
  runner: 'runners/onnx/main.js',
  check: 'runners/onnx/check-main.js',
  compile: 'runners/onnx/compile-main.js',
  quantize: 'runners/onnx/quantize-main.js',
  text: 'runners/onnx/text-check-main.js',
  trial: 'runners/onnx/trial-main.js',
};
/** Packages that are native, start a thread from a file of theirs, or look for optional packages beside them. */
const EXTERNAL = /^(?:onnxruntime-node|tokenizers|lmdb|mongodb|pino)(?:\/|$)/;
/** What tsc writes for tests and benchmarks, and what is written here. */
const OTHERS = new Set(['.test', '.bench', 'programs']);

/** The newest of the times at which these files and those below these folders were written, in ms. */
function newest(paths) {
  return Math.max(
    ...paths.map((path) => {
      const { mtimeMs } = statSync(path);
      if (!path.startsWith(dist) || path.endsWith('.js')) return mtimeMs;
      const below = readdirSync(path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() || entry.name.endsWith('.js'))
        .map(({ name }) => join(path, name));
      return below.length === 0 ? 0 : newest(below);
    }),
  );
}

/** True if nothing that goes into the programs is newer than they are. */
function isFresh() {
  const program = join(programs, 'modelkeep.js');
  if (!existsSync(program)) return false;
  const rooms = readdirSync(dist, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !OTHERS.has(entry.name))
    .map(({ name }) => join(dist, name));
  const others = ['scripts/bundle.mjs', 'package-lock.json'].map((path) => join(root, path));
  return statSync(program).mtimeMs >= newest([...rooms, ...others]);
}

/** The folders of the packages whose modules are in the chunks. */
function packagesIn(chunks) {
  const folders = chunks
    .flatMap(({ moduleIds }) => moduleIds)
    .map((id) => /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id)?.[0])
    .filter((folder) => folder !== undefined);
  return [...new Set(folders)].toSorted((one, other) => one.localeCompare(other));
}

/** What a package asks to be told wherever its code goes. */
function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const texts = readdirSync(folder)
    .filter((file) => /^(?:licen[cs]e|copying|notice)/i.test(file) && statSync(join(folder, file)).isFile())
    .map((file) => readFileSync(join(folder, file), 'utf8').trim());
  if (texts.length === 0 && license === undefined)
    throw new Error(`${name}@${version} is bundled and names no licence`);
  return [`${name} ${version}${license === undefined ? '' : ` (${license})`}`, ...texts].join('\n\n');
}

/**
 * The same code in plain ASCII: one other character beyond Latin-1 and the engine keeps the whole chunk in two bytes a
 * character. Comments are gone, so such characters stand in strings, templates and patterns alone.
 */
function inAscii(code) {
  return code.replace(/[^\0-\x7f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Bundles the programs if anything that goes into them is newer. Also called by vitest, before all tests. */
export async function setup() {
  if (isFresh()) return;
  // Not at the head: most calls find nothing to do.
  const { rolldown } = await import('rolldown');
  const bundle = await rolldown({
    cwd: root,
    input: Object.fromEntries(Object.entries(ENTRIES).map(([name, file]) => [name, join(dist, file)])),
    platform: 'node',
    external: EXTERNAL,
    logLevel: 'warn',
  });
  // Written beside and then put in its place, so that a program never finds half of the files.
  const made = `${programs}-${process.pid}`;
  mkdirSync(made, { recursive: true });
  const { output } = await bundle.write({
    dir: made,
    format: 'esm',
    // Names stay, so that stack traces can be read.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
    comments: false,
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
  });
  for (const { fileName, type, code } of output)
    if (type === 'chunk') writeFileSync(join(made, fileName), inAscii(code));
  const licences = packagesIn(output.filter(({ type }) => type === 'chunk')).map(licenceOf);
  writeFileSync(join(made, 'THIRD-PARTY-LICENSES.txt'), `${licences.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`);
  chmodSync(join(made, 'modelkeep.js'), 0o755);
  rmSync(programs, { recursive: true, force: true });
  renameSync(made, programs);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setup();
