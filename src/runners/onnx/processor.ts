import { readFile } from 'node:fs/promises';
import type { WeightBits } from '../../formats/index.js';

/**
 * Instructions that add products of 8-bit numbers into 32 bits. Without them x86 adds two products into 16 bits, which
 * overflow where both weights are large.
 */
const WIDE_SUMS = new Set(['avx512_vnni', 'avx_vnni', 'asimddp']);

/**
 * Bits of a quantized weight that a processor adds without overflow: 8 with wide sums, else 7.
 *
 * @param cpuinfo the text of `/proc/cpuinfo`; undefined where there is none
 */
export function weightBitsOf(cpuinfo: string | undefined, platform: NodeJS.Platform, arch: string): WeightBits {
  // Every Apple processor of this architecture has the dot product.
  if (platform === 'darwin' && arch === 'arm64') return 8;
  const abilities = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo ?? '')?.[1]?.split(' ') ?? [];
  return abilities.some((ability) => WIDE_SUMS.has(ability)) ? 8 : 7;
}

/** {@link weightBitsOf} this machine; 7 where it does not say what it can. */
export async function detectWeightBits(): Promise<WeightBits> {
  // Only Linux has it; elsewhere its absence says nothing of the processor.
  const cpuinfo = process.platform === 'linux' ? await readFile('/proc/cpuinfo', 'utf8') : undefined;
  return weightBitsOf(cpuinfo, process.platform, process.arch);
}
