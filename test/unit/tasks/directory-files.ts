import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ModelkeepError, type VersionFiles } from '../../../src/core/index.js';

/** A folder of `test/fixtures` as the files of a version; `keep` leaves files out. */
export function fixtureFiles(folder: string, keep: (path: string) => boolean = () => true): VersionFiles {
  const root = join('test/fixtures', folder);
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(root, path)).isFile() && keep(path))
    .toSorted();
  return {
    paths,
    size: (path) => (paths.includes(path) ? statSync(join(root, path)).size : undefined),
    read: (path, range = {}) => {
      if (!paths.includes(path)) return Promise.reject(new ModelkeepError('INVALID_ARTIFACT', `no ${path}`));
      return Promise.resolve(readFileSync(join(root, path)).subarray(range.start ?? 0, range.end));
    },
    locate: () => undefined,
    contentOf: () => undefined,
  };
}

/** A golden file of `test/fixtures`. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the golden's shape is the caller's to say
export function golden<T>(path: string): T {
  return JSON.parse(readFileSync(join('test/fixtures', path), 'utf8')) as T;
}

/** The rows of a golden JSON-lines file of `test/fixtures`. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the golden's shape is the caller's to say
export function goldenRows<T>(path: string): T[] {
  const lines = readFileSync(join('test/fixtures', path), 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as T);
}
