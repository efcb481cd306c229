import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { modelHome, startServer, type ModelHome, type TestServer } from '../integration/http-harness.js';
import { clientsPython } from './clients-python.js';

let home: ModelHome;
let server: TestServer;
let python: string;

beforeAll(async () => {
  python = await clientsPython();
  home = modelHome();
  await home.publish('sentiment/v1', 'sentiment');
  await home.publish('sentiment/v2', 'sentiment');
  await home.publish('sentiment/v1', 'pinned');
  await home.publish('iris/mymodel_v2_nozipmap.onnx', 'iris');
  await home.setAlias('sentiment', 'old', 1);
  server = await startServer(home, { pin: ['pinned'] });
}, 300_000);

afterAll(async () => {
  await server.close();
  home[Symbol.dispose]();
});

/** Runs a program of `clients/` to its end; it ends with 1 and says why if the server disappoints it. */
async function run(program: string, address: string): Promise<string> {
  const path = fileURLToPath(new URL(`clients/${program}`, import.meta.url));
  const { stdout } = await promisify(execFile)(python, [path, address], { timeout: 60_000 });
  return stdout;
}

test('tritonclient over HTTP', { timeout: 60_000 }, async () => {
  expect(await run('triton_http.py', server.running.url)).toBe('ok\n');
});

test('tritonclient over gRPC', { timeout: 60_000 }, async () => {
  expect(await run('triton_grpc.py', server.running.grpc ?? '')).toBe('ok\n');
});
