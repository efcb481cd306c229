import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import type { CompiledFile } from '../../cache/index.js';
import type { Abortable } from '../../core/index.js';
import { runChildJob } from './child-job.js';
import type { VersionForm } from './form.js';

/** What to compile, and where to. */
export interface CompileJob extends VersionForm {
  /** Absolute path of an empty folder that gets the graph (`model.onnx`) and its tensors, named by digest. */
  readonly folder: string;
}

/** Changes with whatever else changes the compiled form; part of its key. */
const GRAPH_OPTIONS = 'all; own files from 65536 bytes; pre-packed unless MatMulNBits; words apart; 3';

/**
 * What a compiled form is for besides the version: releases of the runtime and abilities of the processor, on which the
 * layout of pre-packed weights depends.
 */
export async function compileTarget(): Promise<string> {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { readonly version: string };
  // Elsewhere than on Linux the processor's name stands for its abilities.
  const info = process.platform === 'linux' ? await readFile('/proc/cpuinfo', 'utf8') : '';
  const abilities = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(info)?.[1] ?? cpus()[0]?.model ?? process.arch;
  const processor = createHash('sha256').update(abilities.split(' ').toSorted().join(' ')).digest('hex');
  return `onnxruntime ${version}; ${process.arch} ${processor}; ${GRAPH_OPTIONS}`;
}

/**
 * Compiles a version in a process of its own, of low priority, that ends afterwards. Its answers to a sample are those
 * of an uncompiled session that pre-packs, bit for bit, and those of the mapped one (which does not, and adds in another
 * order) within 1e-5; or this rejects, and what it left in the folder is of no use.
 *
 * @returns the files that it wrote, with the digests of the bytes that it had before it wrote them
 * @throws ModelkeepError `GATE_FAILED` if the answers differ, `RUNNER_CRASHED` if the process ends, `CANCELLED` when
 * the signal fires, or what reading the version said
 */
export async function compileVersion(job: CompileJob, options: Abortable = {}): Promise<readonly CompiledFile[]> {
  const what = { doer: 'The process that compiled the version', consequence: 'it is served uncompiled' };
  return JSON.parse(await runChildJob('compile', JSON.stringify(job), what, options)) as readonly CompiledFile[];
}
