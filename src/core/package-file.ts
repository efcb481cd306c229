import { createRequire } from 'node:module';
import { join } from 'node:path';

/**
 * Absolute path of a file of this package. The package is asked for by its own name, not sought from where the code lies:
 * the same code runs as a file of the library and as a part of a bundled program, and in bundles that others make of it.
 *
 * @param path where the file lies in the package, as in `dist/programs/runner.js`
 */
export function packageFile(path: string): string {
  return join(createRequire(import.meta.url).resolve('modelkeep/package.json'), '..', path);
}
