import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

type Report = Readonly<Record<string, number>>;

/** What `npm run fuzz` runs, for a moment: `npm run fuzz -- NAME` does it for five minutes. */
test.each([
  ['safetensors', 'INVALID_ARTIFACT'],
  ['onnx', 'INVALID_ARTIFACT'],
  ['tensors', 'INVALID_INPUT'],
  ['frames', 'RUNNER_CRASHED'],
])('damaged %s are read or refused with a proper code', async (name, code) => {
  const args = ['scripts/fuzz/main.mjs', name, '--cases', '2000', '--seed', '1'];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const report = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Report;
  expect(report['cases']).toBe(2000);
  // Damage that no reader sees, or that nothing survives, would prove nothing.
  expect(report['read']).toBeGreaterThan(20);
  expect(report[code]).toBeGreaterThan(500);
});
