import { expect, test } from 'vitest';
import { weightBitsOf } from '../../../src/runners/index.js';

test.each([
  ['flags\t\t: fpu sse avx2 avx512f avx512_vnni', 'linux', 'x64', 8],
  ['flags\t\t: fpu sse avx2 avx_vnni', 'linux', 'x64', 8],
  ['flags\t\t: fpu sse avx2 avx512f avx512_vnni_not', 'linux', 'x64', 7],
  ['flags\t\t: fpu sse avx2', 'linux', 'x64', 7],
  ['Features\t: fp asimd asimddp', 'linux', 'arm64', 8],
  ['Features\t: fp asimd', 'linux', 'arm64', 7],
  [undefined, 'darwin', 'arm64', 8],
  [undefined, 'darwin', 'x64', 7],
  [undefined, 'win32', 'x64', 7],
  ['', 'linux', 'x64', 7],
] as const)('%s on %s %s: %i bits', (cpuinfo, platform, arch, bits) => {
  expect(weightBitsOf(cpuinfo, platform, arch)).toBe(bits);
});
