import { defineConfig, mergeConfig } from 'vitest/config';
import usual from './vitest.config.js';

/** What downloads a real model, or takes minutes: `npm run test:slow`. Each download is kept in `.cache/`. */
const { test, ...rest } = usual;
export default mergeConfig(
  rest,
  defineConfig({ test: { ...test, include: ['test/slow/**/*.test.ts'], exclude: [], hookTimeout: 600_000 } }),
);
