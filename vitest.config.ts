import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Tests name the sources and run what is shipped: `../../src/x/y.js` resolves to the built `dist/x/y.js`. */
const builtRooms = { find: /^(?:\.\.\/)+src\/(.*)$/, replacement: fileURLToPath(new URL('dist/$1', import.meta.url)) };

export default defineConfig({
  resolve: { alias: [builtRooms] },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/slow/**', 'node_modules/**'],
    pool: 'forks',
    // Much of the time is spent waiting for programs to start: two files at once even on two cores.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
