import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { PRECISIONS, type PrecisionSetting } from '../core/index.js';
import { ACCESS_SETTINGS } from './access-settings.js';
import { TRUST_SETTINGS } from './trust-settings.js';
import { bytes, flag, list, setting, text, textOrNone, whole, type Setting } from './setting.js';

// An empty variable counts as none, as the XDG base directory specification has it.
const dataHome = process.env.XDG_DATA_HOME || join(homedir(), '.local', 'share');
const cacheHome = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
const cores = availableParallelism();

/**
 * Every setting: one name for the flag (`--cache-dir`), the environment (`MODELKEEP_CACHE_DIR`), the configuration
 * file and the library (`cacheDir`). Its default is stated here and nowhere else.
 */
export const SETTINGS = Object.freeze({
  store: setting<string>({
    schema: text,
    defaultValue: pathToFileURL(join(dataHome, 'modelkeep', 'store')).href,
    description: 'Where versions are kept: file:///DIR or mongodb://HOST/DATABASE',
    placeholder: 'URL',
    secret: true,
  }),
  bucket: setting<string>({
    schema: text,
    defaultValue: 'fs',
    description: 'GridFS bucket, with MongoDB',
    placeholder: 'NAME',
  }),
  cacheDir: setting<string>({
    schema: text,
    defaultValue: join(cacheHome, 'modelkeep'),
    description: 'Folder of the disk cache, shared by the processes of a machine',
    placeholder: 'DIR',
  }),
  cacheMaxBytes: setting<number>({
    schema: bytes,
    defaultValue: 20_000_000_000,
    description:
      'Bytes kept in the disk cache: segments and what is made of them, Python environments of versions (600MB, 20GB); 0: only what is in use',
    placeholder: 'BYTES',
  }),
  runners: setting<number>({
    schema: whole(1, 64),
    defaultValue: Math.min(2, cores),
    description: 'Runner processes; each holds every version in use, on shared pages',
    placeholder: 'N',
  }),
  threads: setting<number>({
    schema: whole(1, 256),
    defaultValue: Math.max(1, Math.floor(cores / Math.min(2, cores))),
    description: 'Threads of one run in one runner',
    placeholder: 'N',
  }),
  loneThreads: setting<number>({
    schema: whole(1, 256),
    defaultValue: Math.min(8, cores),
    description:
      'Threads of a run while nothing else is asked, of compiled versions; no more than --threads: none besides',
    placeholder: 'N',
  }),
  requestTimeoutMs: setting<number>({
    schema: whole(0, 86_400_000),
    defaultValue: 60_000,
    description: 'Milliseconds that a request may take, loading included; 0: no limit',
    placeholder: 'MS',
  }),
  maxQueue: setting<number>({
    schema: whole(1, 1_000_000),
    defaultValue: 1_000,
    description: 'Requests of one version that may wait; the next one is refused',
    placeholder: 'N',
  }),
  maxQueueMs: setting<number>({
    schema: whole(0, 86_400_000),
    defaultValue: 10_000,
    description: 'Milliseconds that a request may be expected to wait; the next one is refused; 0: no bound',
    placeholder: 'MS',
  }),
  maxBatchTokens: setting<number>({
    schema: whole(1, 1_000_000),
    defaultValue: 256,
    description: 'Tokens that one run takes at the most, padding included; a longer request runs alone',
    placeholder: 'N',
  }),
  maxBatchRequests: setting<number>({
    schema: whole(1, 1_000),
    defaultValue: 32,
    description: 'Requests that one run takes at the most',
    placeholder: 'N',
  }),
  pollIntervalMs: setting<number>({
    schema: whole(50, 3_600_000),
    defaultValue: 250,
    description: 'Milliseconds between two looks for changes, jittered by 20 %, where the store cannot push them',
    placeholder: 'MS',
  }),
  memoryBudget: setting<number>({
    schema: bytes,
    defaultValue: 0,
    description: 'Memory of the node and its runners (600MB, 2GB), shared pages counted once; 0: no bound',
    placeholder: 'BYTES',
  }),
  answerCache: setting<number>({
    schema: bytes,
    defaultValue: 0,
    description:
      'Bytes of answers of text models that are kept and given again for equal requests (64MB); 0: none, since most requests of most servers are asked once',
    placeholder: 'BYTES',
  }),
  idleUnloadMs: setting<number>({
    schema: whole(0, 86_400_000),
    defaultValue: 0,
    description: 'Milliseconds without a request after which a version that is not pinned is let go; 0: never',
    placeholder: 'MS',
  }),
  compileAfter: setting<number>({
    schema: whole(0, 1_000_000),
    defaultValue: 600,
    description: 'Runs of a version within a minute after which it is compiled in the background; 0: never',
    placeholder: 'N',
  }),
  compile: setting<boolean>({
    schema: flag,
    defaultValue: false,
    description: 'Whether versions that are pinned or preloaded are compiled at once, in the background',
    placeholder: 'BOOL',
    valueOptional: true,
  }),
  precision: setting<PrecisionSetting>({
    schema: z.enum(['as-published', ...PRECISIONS]),
    defaultValue: 'as-published',
    description: `Precision of checkpoints: as-published (what push --precision said, else fp32), ${PRECISIONS.join(', ')}`,
    placeholder: 'PRECISION',
  }),
  weightBits: setting<'auto' | 7 | 8>({
    schema: z.preprocess(
      (value) => (value === '7' || value === '8' ? Number(value) : value),
      z.union([z.literal('auto'), z.literal(7), z.literal(8)]),
    ),
    defaultValue: 'auto',
    description: 'Bits of a quantized weight: auto (8 on processors with VNNI or dot products, else 7), 7 or 8',
    placeholder: 'BITS',
  }),
  swapMode: setting<'keep-serving' | 'low-memory'>({
    schema: z.enum(['keep-serving', 'low-memory']),
    defaultValue: 'keep-serving',
    description:
      'keep-serving: load the new version beside the old one; low-memory: let the old one go first, requests wait',
    placeholder: 'MODE',
  }),
  pin: setting<readonly string[]>({
    schema: list,
    defaultValue: [],
    description: 'References to load at the start and never to let go, separated by commas',
    placeholder: 'REFS',
  }),
  preload: setting<readonly string[]>({
    schema: list,
    defaultValue: [],
    description: 'References to load at the start, separated by commas',
    placeholder: 'REFS',
  }),
  allowPickle: setting<'off' | 'safe' | 'any'>({
    schema: z.preprocess(
      (value) => {
        const said = typeof value === 'boolean' ? String(value) : value;
        return said === 'true' || said === '1' ? 'safe' : said === 'false' || said === '0' ? 'off' : said;
      },
      z.enum(['off', 'safe', 'any']),
    ),
    defaultValue: 'off',
    description:
      'Whether pickled models (joblib) and skops files are loaded, isolated in a Python process: off, safe (they import only what estimators are made of) or any (trust every publisher); without a value: safe',
    placeholder: 'MODE',
    valueOptional: true,
  }),
  python: setting<string>({
    schema: text,
    defaultValue: 'python3',
    description:
      'Python program for pickled models; it needs scikit-learn, joblib and numpy, and skops for skops files',
    placeholder: 'PROGRAM',
  }),
  wheelhouse: setting<string>({
    schema: z.string(),
    defaultValue: '',
    description:
      'Folder of wheels, from which alone the Python environments of versions are made; empty: from the package index',
    placeholder: 'DIR',
  }),
  pickleMaxMemory: setting<number>({
    schema: bytes,
    defaultValue: 4_294_967_296,
    description: 'Largest address space of the Python process for pickled models, in bytes (600MB, 4GiB)',
    placeholder: 'BYTES',
  }),
  host: setting<string>({
    schema: text,
    defaultValue: '127.0.0.1',
    description: 'Address to listen on',
    placeholder: 'ADDRESS',
  }),
  port: setting<number>({
    schema: whole(0, 65_535),
    defaultValue: 8_080,
    description: 'Port to listen on; 0: any free one',
    placeholder: 'PORT',
  }),
  grpcPort: setting<number | 'next' | 'off'>({
    schema: z.union([z.enum(['next', 'off']), whole(0, 65_535)]),
    defaultValue: 'next',
    description:
      'Port for gRPC; next: the one after --port (8081), any free one with --port 0; 0: any free one; off: none',
    placeholder: 'PORT',
  }),
  defaultModel: setting<string>({
    schema: textOrNone,
    defaultValue: '',
    description:
      'Reference that is asked where a request of the Text Embeddings Inference form names none; empty: none',
    placeholder: 'REF',
  }),
  maxBodyBytes: setting<number>({
    schema: bytes,
    defaultValue: 10_000_000,
    description: 'Largest body of a request, in bytes',
    placeholder: 'BYTES',
  }),
  logLevel: setting<'silent' | 'error' | 'warn' | 'info' | 'debug'>({
    schema: z.enum(['silent', 'error', 'warn', 'info', 'debug']),
    defaultValue: 'info',
    description: 'How much is logged: silent, error, warn, info or debug',
    placeholder: 'LEVEL',
  }),
  ...ACCESS_SETTINGS,
  ...TRUST_SETTINGS,
});

/** Name of a setting. */
export type SettingName = keyof typeof SETTINGS;

/** A value for every setting. */
export type Settings = { readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never };
