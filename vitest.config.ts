import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** What is shipped is loaded by Node.js itself, as its users do: in half the time, and in one copy a process. */
const shipped = /\/dist\//;
/** Tests name the sources and run what is shipped: `../../src/x/y.js` resolves to the built `dist/x/y.js`. */
const builtRooms = { find: /^(?:\.\.\/)+src\/(.*)$/, replacement: fileURLToPath(new URL('dist/$1', import.meta.url)) };

export default defineConfig({
  resolve: { alias: [builtRooms] },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/slow/**', 'test/clients/heavy/**', 'node_modules/**'],
    server: { deps: { external: [shipped] } },
    // Tests start the bundled programs, which must not be older than what tsc wrote.
    globalSetup: ['scripts/bundle.mjs'],
    pool: 'forks',
    // Much of the time is spent waiting for programs to start: two files at once even on two cores.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
