import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { asModelkeepError, errorFromJson, ModelkeepError, type Abortable, type Manifest } from '../../core/index.js';

/** What to compile, and where to. */
export interface CompileJob {
  readonly manifest: Manifest;
  /** Absolute folder of the version's verified segments. */
  readonly segmentsFolder: string;
  /** Absolute path of an empty folder that gets the graph (`model.onnx`) and its tensors, named by digest. */
  readonly folder: string;
}

/** Changes with whatever else changes the compiled form; part of its key. */
const GRAPH_OPTIONS = 'all; own files from 65536 bytes; pre-packed unless MatMulNBits; 1';

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
 * @throws ModelkeepError `GATE_FAILED` if the answers differ, `RUNNER_CRASHED` if the process ends, `CANCELLED` when
 * the signal fires, or what reading the version said
 */
export async function compileVersion(job: CompileJob, { signal }: Abortable = {}): Promise<void> {
  const program = fileURLToPath(new URL('compile-main.js', import.meta.url));
  const child = spawn(process.execPath, [program], {
    env: {},
    stdio: ['pipe', 'pipe', 'ignore'],
    ...(signal === undefined ? {} : { signal, killSignal: 'SIGKILL' }),
  });
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, by) => resolve(by === null ? `ended with exit code ${code}` : `was ended by ${by}`));
  });
  // A process that ended before it read everything says why by its end.
  child.stdin.on('error', () => undefined);
  child.stdin.end(JSON.stringify(job));
  try {
    const [how, words] = await Promise.all([ended, text(child.stdout)]);
    if (how === 'ended with exit code 0') return;
    if (words.startsWith('{')) throw errorFromJson(JSON.parse(words) as { readonly code?: unknown });
    throw new ModelkeepError('RUNNER_CRASHED', `The process that compiled the version ${how}: it is served uncompiled`);
  } catch (error) {
    throw asModelkeepError(error, 'RUNNER_CRASHED');
  }
}
