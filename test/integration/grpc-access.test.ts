import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { credentials, status as Status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addKey } from '../../src/access/index.js';
import { onnxThatEchoes } from '../e2e/onnx-bytes.js';
import { grpcClient, type GrpcClient } from '../unit/protocols/grpc-client.js';
import { makeCertificates, type Certificates } from './certificates.js';
import { modelHome, startServer, type ModelHome, type TestServer } from './http-harness.js';

let home: ModelHome;

beforeAll(async () => {
  home = modelHome();
  for (const name of ['floats', 'typed']) {
    writeFileSync(join(home.root, `${name}.onnx`), onnxThatEchoes(['float32']));
    await home.publish(join(home.root, `${name}.onnx`), name);
  }
});

afterAll(() => home[Symbol.dispose]());

const plain = { name: 'in_float32', datatype: 'FP32', shape: [1], contents: { fp32_contents: [1] } };

describe('who asks', () => {
  let guarded: TestServer;
  let other: GrpcClient;
  const keys: Record<string, string> = {};
  const as = (name: string) => ({ metadata: { authorization: `Bearer ${keys[name]}` } });

  beforeAll(async () => {
    const file = join(home.root, 'keys.json');
    keys.admin = (await addKey(file, { name: 'admin', scopes: ['admin'] })).key;
    keys.floats = (await addKey(file, { name: 'floats', scopes: ['infer'], models: ['floats'] })).key;
    guarded = await startServer(home, { authKeys: file, cacheDir: join(home.root, 'guarded') });
    other = grpcClient(guarded.running.grpc ?? '');
  });

  afterAll(async () => {
    await other[Symbol.asyncDispose]();
    await guarded.close();
  });

  test('health is open, all else needs credentials', async () => {
    expect((await other.call('ServerLive', {})).value).toEqual({ live: true });
    expect((await other.call('Check', {})).value).toEqual({ status: 'SERVING' });
    expect((await other.call('ServerMetadata', {})).error?.code).toBe(Status.UNAUTHENTICATED);
    const { error } = await other.call('ModelInfer', {}, { metadata: { authorization: 'Bearer mk_nobody' } });
    expect(error?.code).toBe(Status.UNAUTHENTICATED);
  });

  test('a key does what its scopes and models allow, and sees no more', async () => {
    const asked = (model_name: string) => other.call('ModelInfer', { model_name, inputs: [plain] }, as('floats'));
    expect((await asked('floats')).error).toBeUndefined();
    expect((await asked('typed')).error?.code).toBe(Status.PERMISSION_DENIED);
    expect((await asked('nothing')).error?.code).toBe(Status.PERMISSION_DENIED);
    const load = { model_name: 'floats' };
    expect((await other.call('RepositoryModelLoad', load, as('floats'))).error?.code).toBe(Status.PERMISSION_DENIED);
    const { value } = await other.call('RepositoryIndex', {}, as('floats'));
    expect(value?.models).toMatchObject([{ name: 'floats', version: '1', state: 'READY' }]);
  });

  test('load and unload take the name in either place', async () => {
    for (const request of [{ model_name: 'typed' }, { repository_name: 'typed' }]) {
      expect((await other.call('RepositoryModelLoad', request, as('admin'))).value).toEqual({
        model_name: 'typed',
        isLoaded: true,
      });
      expect((await other.call('RepositoryModelUnload', request, as('admin'))).value).toMatchObject({
        isUnloaded: true,
      });
    }
  });
});

test('with a port for management nobody loads over gRPC', async () => {
  await using split = await startServer(home, { adminPort: 0, cacheDir: join(home.root, 'split') });
  await using other = grpcClient(split.running.grpc ?? '');
  expect((await other.call('RepositoryModelLoad', { model_name: 'floats' })).error?.code).toBe(
    Status.PERMISSION_DENIED,
  );
});

test('off is off, and a port that is taken is named', async () => {
  await using without = await startServer(home, { grpcPort: 'off', cacheDir: join(home.root, 'off') });
  expect(without.running.grpc).toBeUndefined();
  await using other = await startServer(home, { cacheDir: join(home.root, 'first') });
  const taken = Number((other.running.grpc ?? '').split(':').at(-1));
  await expect(startServer(home, { grpcPort: taken, cacheDir: join(home.root, 'off') })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringContaining('--grpc-port'),
  });
});

describe('TLS', () => {
  let files: Certificates;

  beforeAll(() => {
    files = makeCertificates(home.root);
  });

  const ask = { model_name: 'floats', inputs: [plain] };
  const settings = () => ({ tlsCert: files.server.cert, tlsKey: files.server.key, cacheDir: join(home.root, 'tls') });
  /** A client that trusts the authority; the certificate is for a name, and the test connects to an address. */
  const secureClient = (address: string, shown?: Certificates['client']): GrpcClient => {
    const own = shown === undefined ? [null, null] : [readFileSync(shown.key), readFileSync(shown.cert)];
    const trusting = credentials.createSsl(readFileSync(files.ca), ...(own as [Buffer | null, Buffer | null]), {
      checkServerIdentity: () => undefined,
    });
    return grpcClient(address, {}, trusting);
  };

  test('encrypts every call, and one in plain text is not answered', async () => {
    await using server = await startServer(home, settings());
    const address = server.running.grpc ?? '';
    await using client = secureClient(address);
    expect((await client.call('ModelInfer', ask)).value).toMatchObject({ model_name: 'floats', model_version: '1' });
    expect((await client.call('Check', {})).value).toEqual({ status: 'SERVING' });
    await using open = grpcClient(address);
    expect((await open.call('ServerLive', {})).error?.code).toBe(Status.UNAVAILABLE);
    await using stranger = grpcClient(address, {}, credentials.createSsl());
    expect((await stranger.call('ServerLive', {})).error?.code).toBe(Status.UNAVAILABLE);
    expect((await client.call('ServerLive', {})).value).toEqual({ live: true });
  });

  test('with authorities lets in only who shows a certificate of theirs, for health too', async () => {
    await using server = await startServer(home, { ...settings(), tlsClientCa: files.ca });
    const address = server.running.grpc ?? '';
    await using known = secureClient(address, files.client);
    expect((await known.call('ModelInfer', ask)).value).toMatchObject({ model_name: 'floats' });
    await using nobody = secureClient(address);
    await using foreign = secureClient(address, files.foreign);
    for (const one of [nobody, foreign]) {
      for (const method of ['ModelInfer', 'ServerLive', 'Check']) {
        expect((await one.call(method, method === 'ModelInfer' ? ask : {})).error?.code).toBe(Status.UNAVAILABLE);
      }
    }
    expect((await known.call('ServerLive', {})).value).toEqual({ live: true });
  });

  test('a certificate is no key: with both, both are wanted', async () => {
    const file = join(home.root, 'tls-keys.json');
    const { key } = await addKey(file, { name: 'one', scopes: ['infer'] });
    await using server = await startServer(home, { ...settings(), tlsClientCa: files.ca, authKeys: file });
    await using known = secureClient(server.running.grpc ?? '', files.client);
    expect((await known.call('ModelInfer', ask)).error?.code).toBe(Status.UNAUTHENTICATED);
    const metadata = { authorization: `Bearer ${key}` };
    expect((await known.call('ModelInfer', ask, { metadata })).value).toMatchObject({ model_name: 'floats' });
  });
});
