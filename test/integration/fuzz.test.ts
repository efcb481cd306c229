import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

interface Report {
  readonly cases: number;
  readonly read: number;
  readonly INVALID_ARTIFACT: number;
}

/** What `npm run fuzz` runs, for a moment: `npm run fuzz -- NAME` does it for five minutes. */
test.each(['safetensors', 'onnx'])('damaged %s files are read or refused with a proper code', async (name) => {
  const args = ['scripts/fuzz/main.mjs', name, '--cases', '2000', '--seed', '1'];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const report = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Report;
  expect(report.cases).toBe(2000);
  // Damage that no reader sees, or that no file survives, would prove nothing.
  expect(report.read).toBeGreaterThan(20);
  expect(report.INVALID_ARTIFACT).toBeGreaterThan(500);
});
