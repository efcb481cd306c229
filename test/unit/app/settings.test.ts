import { describe, expect, it } from 'vitest';
import {
  environmentName,
  flagName,
  openModelkeep,
  resolveSettings,
  SETTINGS,
  type SettingName,
} from '../../../src/app/index.js';

const NAMES = Object.keys(SETTINGS) as SettingName[];

describe('the names of a setting', () => {
  it('follow from one', () => {
    expect(flagName('cacheMaxBytes')).toBe('--cache-max-bytes');
    expect(environmentName('cacheMaxBytes')).toBe('MODELKEEP_CACHE_MAX_BYTES');
    expect(flagName('store')).toBe('--store');
    expect(environmentName('store')).toBe('MODELKEEP_STORE');
  });
});

/** A good value of each setting, as text and as it is read, other than its default. */
const SAMPLES: Readonly<Record<SettingName, readonly [string, unknown]>> = {
  defaultModel: ['sentiment@production', 'sentiment@production'],
  memoryBudget: ['2GiB', 2_147_483_648],
  answerCache: ['64MB', 64_000_000],
  idleUnloadMs: ['60000', 60_000],
  swapMode: ['low-memory', 'low-memory'],
  compileAfter: ['500', 500],
  compile: ['true', true],
  precision: ['int8', 'int8'],
  weightBits: ['7', 7],
  wheelhouse: ['/wheels', '/wheels'],
  pin: ['a:1,b@prod', ['a:1', 'b@prod']],
  store: ['memory:', 'memory:'],
  bucket: ['models', 'models'],
  cacheDir: ['/cache', '/cache'],
  cacheMaxBytes: ['600MB', 600_000_000],
  runners: ['3', 3],
  threads: ['5', 5],
  loneThreads: ['6', 6],
  requestTimeoutMs: ['0', 0],
  maxQueue: ['10', 10],
  maxQueueMs: ['500', 500],
  maxBatchRequests: ['7', 7],
  maxBatchTokens: ['1024', 1_024],
  pollIntervalMs: ['50', 50],
  preload: ['a,b@c', ['a', 'b@c']],
  allowPickle: ['any', 'any'],
  python: ['/opt/python/bin/python', '/opt/python/bin/python'],
  pickleMaxMemory: ['1GiB', 1_073_741_824],
  host: ['::1', '::1'],
  port: ['0', 0],
  grpcPort: ['9001', 9_001],
  maxBodyBytes: ['2MiB', 2_097_152],
  logLevel: ['debug', 'debug'],
  authKeys: ['/keys.json', '/keys.json'],
  jwksUrl: ['https://id.example/jwks', 'https://id.example/jwks'],
  jwtIssuer: ['https://id.example', 'https://id.example'],
  jwtAudience: ['modelkeep', 'modelkeep'],
  jwtScopeClaim: ['roles', 'roles'],
  insecure: ['true', true],
  maxRequestTokens: ['1000', 1_000],
  corsOrigins: ['https://a.example,*', ['https://a.example', '*']],
  adminPort: ['0', 0],
  tlsCert: ['/cert.pem', '/cert.pem'],
  tlsKey: ['/key.pem', '/key.pem'],
  tlsClientCa: ['/ca.pem', '/ca.pem'],
  maxHeaderBytes: ['8KiB', 8_192],
  maxConnections: ['5', 5],
  headersTimeoutMs: ['100', 100],
  receiveTimeoutMs: ['200', 200],
  requireSignature: ['a.pem,b.pem', ['a.pem', 'b.pem']],
  webhookAllowPrivate: ['true', true],
  otherStores: ['a=file:///a  b=mongodb://h,i/b', ['a=file:///a', 'b=mongodb://h,i/b']],
};

describe.each(NAMES)('%s', (name) => {
  const [text, value] = SAMPLES[name];
  const flags = { [name]: text };
  const environment = { [environmentName(name)]: text };
  const file = { [name]: text };
  const nothing = resolveSettings({}).values[name];

  it('is its default where it is not given', () => {
    const { values, origins } = resolveSettings({ environment: { PATH: '/bin' } });
    expect(values[name]).toEqual(SETTINGS[name].defaultValue);
    expect(origins[name]).toBe('default');
    expect(value).not.toEqual(nothing);
  });

  it.each([
    ['flag', { flags }],
    ['environment', { environment }],
    ['file', { file }],
  ])('is read from the %s', (origin, sources) => {
    const { values, origins } = resolveSettings(sources);
    expect(values[name]).toEqual(value);
    expect(origins[name]).toBe(origin);
  });

  it('is taken from the flag, else the environment, else the file', () => {
    // The weaker ones are not even looked at: a value that nothing would take harms nobody.
    const bad = Symbol('bad');
    const badEnvironment = { [environmentName(name)]: '' };
    expect(resolveSettings({ flags, environment: badEnvironment, file: { [name]: bad } }).origins[name]).toBe('flag');
    expect(resolveSettings({ environment, file: { [name]: bad } }).origins[name]).toBe('environment');
    expect(resolveSettings({ flags: { [name]: undefined }, file }).origins[name]).toBe('file');
  });
});

/** What `action` throws. */
function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('Nothing was thrown');
}

const BAD: readonly (readonly [SettingName, string])[] = [
  ['store', ''],
  ['cacheMaxBytes', '12 apples'],
  ['cacheMaxBytes', '-5'],
  ['runners', '0'],
  ['runners', '65'],
  ['runners', '1.5'],
  ['runners', 'many'],
  ['threads', ''],
  ['threads', '257'],
  ['requestTimeoutMs', '-1'],
  ['maxQueue', '0'],
  ['maxQueueMs', '-1'],
  ['maxBatchRequests', '1001'],
  ['maxBatchTokens', '0'],
  ['pollIntervalMs', '49'],
  ['port', ''],
  ['port', '65536'],
  ['grpcPort', '65536'],
  ['grpcPort', 'none'],
  ['port', '0x50'],
  ['maxBodyBytes', 'NaN'],
  ['logLevel', 'loud'],
];

describe('a bad value', () => {
  it.each(BAD)('of %s, %j, is refused with the place where it was given', (name, value) => {
    const error = { name: 'ModelkeepError', code: 'INVALID_INPUT' };
    const places = [
      [{ flags: { [name]: value } }, flagName(name)],
      [{ environment: { [environmentName(name)]: value } }, environmentName(name)],
      [{ file: { [name]: value } }, 'configuration file'],
    ] as const;
    for (const [sources, place] of places) {
      const thrown = thrownBy(() => resolveSettings(sources));
      expect(thrown).toMatchObject(error);
      // Which place it was is what a person needs to find it.
      expect(String(thrown)).toContain(place);
      expect(String(thrown)).toContain(value);
    }
  });

  it.each([
    ['port', true],
    ['port', null],
    ['port', []],
    ['cacheMaxBytes', -1],
    ['cacheMaxBytes', 1.5],
    ['preload', [7]],
    ['host', 7],
  ])('of %s in the file, %j, is refused', (name, value) => {
    expect(() => resolveSettings({ file: { [name]: value } })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    );
  });

  it('of the store is not shown, since it may hold a password', () => {
    const thrown = thrownBy(() => resolveSettings({ file: { store: ['mongodb://ann:secret@host/db'] } }));
    expect(String(thrown)).not.toContain('secret');
  });
});

describe('the configuration file', () => {
  it.each(['cachedir', 'cache-dir', 'constructor', '__proto__x'])('may not have the unknown setting %s', (name) => {
    const thrown = thrownBy(() => resolveSettings({ file: { [name]: 1 } }));
    expect(thrown).toMatchObject({ code: 'INVALID_INPUT' });
    expect(String(thrown)).toContain(name);
  });
});

describe('an option of the library', () => {
  it.each([
    { runners: 0 },
    { threads: 1.5 },
    { maxQueue: 0 },
    { requestTimeoutMs: -1 },
    { cacheMaxBytes: Number.NaN },
    { cacheDir: '' },
    { store: '' },
    { store: 'ftp://host' },
  ])('is refused where a setting would be: %j', async (options) => {
    await expect(openModelkeep({ store: 'memory:', ...options })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});
