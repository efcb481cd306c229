import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageFile } from '../../../src/core/index.js';

const folder = packageFile('dist/programs');
const programs = readdirSync(folder).filter((name) => name.endsWith('.js'));
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
/** What the code names as imported when it is loaded, as in `from"node:fs"` and `import"./a.js"`. */
const importsOf = (code: string): string[] =>
  [...code.matchAll(/(?:\bfrom|\bimport)"([^"]+)"/g)].map(([, name = '']) => name);

describe('the bundled programs', () => {
  it('are those that the package starts', () => {
    expect(programs.toSorted()).toEqual([
      'check.js',
      'compile.js',
      'modelkeep.js',
      'quantize.js',
      'runner.js',
      'text.js',
      'trial.js',
    ]);
  });

  it('set the flags of the heap before anything of the server is loaded', () => {
    expect(importsOf(read('modelkeep.js'))).toEqual(['node:v8']);
  });

  it('load nothing of the server in a runner', () => {
    const loaded = new Set(['runner.js']);
    for (const name of loaded)
      for (const other of importsOf(read(name))) if (other.startsWith('.')) loaded.add(join(name, '..', other));
    const code = [...loaded].map(read).join('\n');
    // Its own class is found, so that what is not found is not missed for another reason.
    const found = ['FrameReader', 'fastify', '@grpc', 'ZodType'].filter((word) => code.includes(word));
    expect(found).toEqual(['FrameReader', 'ZodType']);
  });

  it('are written in ASCII, of which the engine keeps a byte a character', () => {
    const chunks = readdirSync(join(folder, 'chunks')).map((name) => join('chunks', name));
    expect(chunks.length).toBeGreaterThan(10);
    expect([...programs, ...chunks].filter((name) => /[^\0-\x7f]/.test(read(name)))).toEqual([]);
  });

  it('tell the licence of each package that is in them', () => {
    const licences = read('THIRD-PARTY-LICENSES.txt');
    for (const name of ['zod', 'fastify', '@grpc/grpc-js', 'commander'])
      expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+.* \\(.+\\)$`, 'm'));
  });
});
