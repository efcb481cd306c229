import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { VersionFiles } from '../../../src/core/index.js';
import { adaptedConfig } from '../../../src/formats/adapter/adapted-config.js';
import { inspectAdapter } from '../../../src/formats/index.js';
import { compareFiles, type Compared } from './golden-folder.js';
import { memoryFiles } from './memory-files.js';

const FIXTURES = join(import.meta.dirname, '../../fixtures');

/** The files of a folder by name. */
export function contentsOf(folder: string): Record<string, Buffer> {
  const names = readdirSync(folder).filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))]));
}

/** The files of an adapter and its base (which `base.txt` names), as publishing puts them together. */
export async function adaptedFiles(
  folder: string,
  changes: Readonly<Record<string, Buffer>> = {},
): Promise<VersionFiles> {
  const base = readFileSync(join(folder, 'base.txt'), 'utf8').trim();
  const { files } = await inspectAdapter(folder);
  const own = Object.fromEntries(files.map(({ path, absolutePath }) => [path, readFileSync(absolutePath)]));
  const contents = { ...contentsOf(join(FIXTURES, base)), ...own, ...changes };
  const isOwn = own['config.json'] !== undefined;
  const { config } = await adaptedConfig(memoryFiles(contents), isOwn);
  return memoryFiles(
    config === undefined ? contents : { ...contents, 'config.json': Buffer.from(JSON.stringify(config)) },
  );
}

/** Compares an adapter's answers over its base with its `golden.json`. */
export async function compareAdapter(folder: string): Promise<Compared> {
  return compareFiles(await adaptedFiles(folder), folder);
}
