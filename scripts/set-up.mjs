/** Makes a fresh clone ready: installs what package-lock.json names, if it is not there, and builds. Needs Node and npm. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The root of the project. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs a command in the project; ends this process with its exit code if it fails. */
export function runOrExit(command, args, environment = {}) {
  const env = { ...process.env, ...environment };
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env,
    shell: process.platform === 'win32',
  });
  if (error !== undefined) console.error(`${command} cannot be started: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

function packagesOf(lockFile) {
  const { packages } = JSON.parse(readFileSync(lockFile, 'utf8'));
  return Object.entries(packages).filter(([path]) => path !== '');
}

/** True if every package of package-lock.json that this platform needs is installed in that version. */
function isInstalled() {
  const installed = `${root}node_modules/.package-lock.json`;
  if (!existsSync(installed)) return false;
  const found = new Map(packagesOf(installed).map(([path, { version }]) => [path, version]));
  return packagesOf(`${root}package-lock.json`).every(
    ([path, { version, optional }]) => (optional && !found.has(path)) || found.get(path) === version,
  );
}

/**
 * Not `npm ci`: it refuses a lock file that lacks the optional packages of other platforms, which a registry mirror may
 * not carry. `--no-save` takes the versions of the lock file and leaves it as it is.
 */
function install() {
  console.error('Installing dependencies …');
  // The runtime's install script would fetch GPU files; those for the processor are in the package.
  runOrExit('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
    ONNXRUNTIME_NODE_INSTALL: 'skip',
  });
}

/** Compiles, and bundles the programs from that. */
export function build() {
  runOrExit(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-b']);
  runOrExit(process.execPath, [`${root}scripts/bundle.mjs`]);
}

/** Installs and builds. */
export function setUp() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`Node.js ${process.versions.node} is too old: modelkeep needs 20.19 or newer`);
    process.exit(1);
  }
  if (!isInstalled()) install();
  console.error('Building …');
  build();
  linkProgram();
}

/** Makes `npx modelkeep` work in the clone: npm links the programs of dependencies, not those of the project itself. */
function linkProgram() {
  const link = `${root}node_modules/.bin/modelkeep`;
  rmSync(link, { force: true });
  if (process.platform === 'win32')
    writeFileSync(`${link}.cmd`, '@node "%~dp0\\..\\..\\dist\\programs\\modelkeep.js" %*\r\n');
  else symlinkSync('../../dist/programs/modelkeep.js', link);
}
