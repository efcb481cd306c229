import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  openStore,
  parseReference,
  push,
  resolveSettings,
  serve,
  show,
  type RunningServer,
} from '../../src/app/index.js';
import { startMongo, type MongoServer } from '../mongodb/start-mongo.js';
import { golden, IRIS, pickleHome, sklearnPython, type PickleHome } from './joblib-harness.js';

const run = promisify(execFile);
const SEED = fileURLToPath(new URL('../fixtures/seed', import.meta.url));
/** The seed scripts' own database. */
const DATABASE = 'test_database';
const MODEL = 'mymodel_v1';
const CLIENTS = 8;
/** Requests of each client after the new version has come to it. */
const REQUESTS_AFTER = 5;

let python: string;
let home: PickleHome;
let mongo: MongoServer;
let server: RunningServer;

async function script(name: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(python, [join(SEED, name), ...args], { timeout: 60_000 });
  return stdout.trim();
}

beforeAll(async () => {
  python = await sklearnPython();
  home = pickleHome();
  mongo = await startMongo();
  await script('seed_publish.py', mongo.uri(DATABASE), MODEL, join(IRIS, 'mymodel_v1.joblib'));
  const { values } = resolveSettings({
    flags: {
      store: mongo.uri(DATABASE),
      cacheDir: join(home.folder, 'cache'),
      port: 0,
      runners: 1,
      threads: 1,
      pollIntervalMs: 100,
      logLevel: 'silent',
      allowPickle: true,
      python,
    },
  });
  server = await serve({ settings: values, version: '0.0.0-test' });
}, 400_000);

afterAll(async () => {
  await server.close();
  await mongo.stop();
  home[Symbol.dispose]();
});

interface Answered {
  readonly status: number;
  readonly version: string;
  readonly labels: readonly number[];
}

async function ask(model = MODEL): Promise<Answered> {
  const response = await fetch(`${server.url}/v2/models/${model}/infer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ inputs: [{ name: 'X', shape: [150, 4], datatype: 'FP64', data: golden.data }] }),
  });
  const body = (await response.json()) as {
    readonly model_version: string;
    readonly outputs?: readonly { readonly name: string; readonly data: readonly number[] }[];
  };
  const labels = body.outputs?.find(({ name }) => name === 'predict')?.data ?? [];
  return { status: response.status, version: body.model_version, labels };
}

describe('the article, in production shape', () => {
  it('serves what its script published', async () => {
    expect(await ask()).toEqual({ status: 200, version: '1', labels: golden.models.mymodel_v1.predict });
  });

  it('swaps to what its script publishes next while 8 clients ask, and no request fails', async () => {
    const answers: Answered[] = [];
    let published = false;
    const client = async (): Promise<void> => {
      for (let after = 0; after < REQUESTS_AFTER;) {
        const answer = await ask();
        answers.push(answer);
        // A failure ends the test here, where it can be seen.
        expect(answer.status).toBe(200);
        if (published && answer.version === '2') after += 1;
      }
    };
    const clients = Promise.all(Array.from({ length: CLIENTS }, client));
    await script('seed_publish.py', mongo.uri(DATABASE), MODEL, join(IRIS, 'mymodel_v2.joblib'));
    published = true;
    await clients;
    const goldenOf: Readonly<Record<string, readonly number[]>> = {
      1: golden.models.mymodel_v1.predict,
      2: golden.models.mymodel_v2.predict,
    };
    expect(answers.every(({ version, labels }) => labels.join() === goldenOf[version]?.join())).toBe(true);
    // The swap happened under load: both versions answered these clients.
    expect(new Set(answers.map(({ version }) => version))).toEqual(new Set(['1', '2']));
  }, 60_000);

  it('lets the old version go, in the one Python runner', async () => {
    const [runner] = server.keep.parts.pickles?.runners ?? [];
    await expect
      .poll(async () => (await runner?.call('stats', { op: 'stats' }))?.result.loaded.length, { timeout: 10_000 })
      .toBe(1);
    expect(server.keep.status().runnerRestarts).toBe(0);
  });

  it('serves a skops file that the script published, too', async () => {
    await script('seed_publish.py', mongo.uri(DATABASE), 'skops', join(IRIS, 'mymodel_v2.skops'));
    await expect.poll(async () => (await ask('skops')).status, { timeout: 20_000 }).toBe(200);
    expect(await ask('skops')).toEqual({ status: 200, version: '1', labels: golden.models.mymodel_v2.predict });
    await using store = await openStore(mongo.uri(DATABASE));
    const { manifest } = await show(store, parseReference('skops'));
    expect([manifest.format, manifest.files.map(({ path }) => path)]).toEqual(['joblib', ['skops.skops']]);
  });

  it('publishes what the article reads, byte for byte', async () => {
    await using store = await openStore(mongo.uri(DATABASE));
    const { record } = await push(store, join(IRIS, 'mymodel_v2.joblib'), { name: 'pushed' });
    const printed = await script('seed_read.py', mongo.uri(DATABASE), 'pushed');
    expect(printed.split(' ')).toEqual([record.id, ...golden.models.mymodel_v2.predict.map(String)]);
  });
});
