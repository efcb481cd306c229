import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { packageFile } from '../../../src/core/index.js';

/** Code of the package that someone bundled into a program of their own, which has the package installed. */
function bundledElsewhere(): { readonly file: string } & Disposable {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'modelkeep-bundled-')));
  const file = join(folder, 'out/program.mjs');
  mkdirSync(join(folder, 'out'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(resolve('.'), join(folder, 'node_modules/modelkeep'));
  copyFileSync(resolve('dist/core/package-file.js'), file);
  return { file, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

it('finds the files of the package from the library', () => {
  expect(packageFile('package.json')).toBe(resolve('package.json'));
  expect(packageFile('dist/programs/runner.js')).toBe(resolve('dist/programs/runner.js'));
});

it('finds them from code that lies outside of the package', async () => {
  using elsewhere = bundledElsewhere();
  const { packageFile: found } = (await import(pathToFileURL(elsewhere.file).href)) as {
    packageFile: typeof packageFile;
  };
  expect(found('package.json')).toBe(resolve('package.json'));
});

it('is the name of the package that its own files ask for', () => {
  const { name, bin } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as Record<string, unknown>;
  expect({ name, bin }).toEqual({ name: 'modelkeep', bin: { modelkeep: './dist/programs/modelkeep.js' } });
});
