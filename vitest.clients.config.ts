import { defineConfig, mergeConfig } from 'vitest/config';
import usual from './vitest.config.js';

/** Every client of docs/clients.md, one file after the other, since they may write that page: `npm run test:clients`. */
const { test, ...rest } = usual;
export default mergeConfig(
  rest,
  defineConfig({ test: { ...test, include: ['test/clients/**/*.test.ts'], exclude: [], fileParallelism: false } }),
);
