import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { SETTINGS, type SettingName } from '../../../src/app/index.js';

const NAMES = Object.keys(SETTINGS) as SettingName[];
let machines = 0;

/** The settings as they are on a machine with that environment and so many processors. */
async function settingsOn(
  environment: Readonly<Record<string, string | undefined>>,
  cores = 4,
): Promise<typeof SETTINGS> {
  vi.spyOn(os, 'availableParallelism').mockReturnValue(cores);
  syncBuiltinESMExports();
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  machines += 1;
  // A query makes it another module, which looks at the machine anew.
  const { href } = new URL(`../../../dist/app/settings.js?machine=${machines}`, import.meta.url);
  const module = (await import(href)) as { SETTINGS: typeof SETTINGS };
  return module.SETTINGS;
}

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  vi.unstubAllEnvs();
});

const PLAIN = { XDG_DATA_HOME: undefined, XDG_CACHE_HOME: undefined, HOME: '/home/ann' };

/** Of a user ann, on a machine with four processors. */
const DEFAULTS = {
  authKeys: '',
  jwksUrl: '',
  jwtIssuer: '',
  jwtAudience: '',
  jwtScopeClaim: 'scope',
  insecure: false,
  maxRequestTokens: 250_000,
  corsOrigins: [],
  adminPort: -1,
  tlsCert: '',
  tlsKey: '',
  tlsClientCa: '',
  maxHeaderBytes: 16_384,
  maxConnections: 10_000,
  headersTimeoutMs: 10_000,
  receiveTimeoutMs: 30_000,
  requireSignature: [],
  webhookAllowPrivate: false,
  otherStores: [],
  store: 'file:///home/ann/.local/share/modelkeep/store',
  bucket: 'fs',
  cacheDir: '/home/ann/.cache/modelkeep',
  cacheMaxBytes: 20_000_000_000,
  runners: 2,
  threads: 2,
  loneThreads: 4,
  requestTimeoutMs: 60_000,
  maxQueue: 1_000,
  maxQueueMs: 10_000,
  maxBatchRequests: 32,
  maxBatchTokens: 256,
  pollIntervalMs: 250,
  memoryBudget: 0,
  answerCache: 0,
  idleUnloadMs: 0,
  swapMode: 'keep-serving',
  compileAfter: 600,
  compile: false,
  precision: 'as-published',
  weightBits: 'auto',
  wheelhouse: '',
  pin: [],
  preload: [],
  allowPickle: 'off',
  python: 'python3',
  pickleMaxMemory: 4_294_967_296,
  host: '127.0.0.1',
  port: 8_080,
  grpcPort: 'next',
  defaultModel: '',
  maxBodyBytes: 10_000_000,
  logLevel: 'info',
};

describe('the defaults', () => {
  it('are these, on a machine with four processors', async () => {
    const settings = await settingsOn(PLAIN);
    expect(
      Object.fromEntries(Object.entries(settings).map(([name, { defaultValue }]) => [name, defaultValue])),
    ).toEqual(DEFAULTS);
  });

  it.each([
    [1, 1, 1, 1],
    [2, 2, 1, 2],
    [3, 2, 1, 3],
    [8, 2, 4, 8],
    [64, 2, 32, 8],
  ])('share %i processors among %i runners of %i threads, and give a lone run %i', async (cores, ...expected) => {
    const { runners, threads, loneThreads } = await settingsOn(PLAIN, cores);
    expect([runners, threads, loneThreads].map((setting) => setting.defaultValue)).toEqual(expected);
  });

  it('lie where the XDG variables say, and an empty one counts as none', async () => {
    const given = await settingsOn({ XDG_DATA_HOME: '/data/a b#c', XDG_CACHE_HOME: '/fast' });
    expect(given.store.defaultValue).toBe('file:///data/a%20b%23c/modelkeep/store');
    expect(given.cacheDir.defaultValue).toBe('/fast/modelkeep');
    const empty = await settingsOn({ XDG_DATA_HOME: '', XDG_CACHE_HOME: '', HOME: '/home/ann' });
    expect(empty.store.defaultValue).toBe('file:///home/ann/.local/share/modelkeep/store');
    expect(empty.cacheDir.defaultValue).toBe('/home/ann/.cache/modelkeep');
  });

  it('are values that the settings themselves take', () => {
    for (const name of NAMES)
      expect(SETTINGS[name].schema.parse(SETTINGS[name].defaultValue)).toEqual(SETTINGS[name].defaultValue);
  });
});
