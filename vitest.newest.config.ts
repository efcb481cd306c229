import { defineConfig, mergeConfig } from 'vitest/config';
import usual from './vitest.config.js';

/** What the newest releases of Python's libraries save: `npm run test:newest`. */
const { test, ...rest } = usual;
const include = ['newest', 'made-adapters', 'sentence-transformers'].map((name) => `test/slow/${name}.test.ts`);
export default mergeConfig(
  rest,
  defineConfig({ test: { ...test, include, exclude: [], testTimeout: 120_000, hookTimeout: 600_000 } }),
);
