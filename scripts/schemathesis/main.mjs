/** Serves the small models and has Schemathesis ask them; `npm run test:schemathesis` builds first. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pythonEnvironment } from '../python-environment.mjs';
import { root } from '../set-up.mjs';

/** Pinned, so that what it finds is new with us and not with it. */
const PACKAGES = ['schemathesis==4.32.5'];
/** What must hold of every answer. */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'ignored_auth',
];

const program = join(await pythonEnvironment('venv-schemathesis', PACKAGES), 'schemathesis');
const { addKey, openStore, push, resolveSettings, serve } = await import(`${root}dist/app/index.js`);
const folder = mkdtempSync(join(tmpdir(), 'modelkeep-schemathesis-'));
const authKeys = join(folder, 'keys.json');

/** Two that classify, one that embeds, one that takes tensors. */
const MODELS = [
  ['sentiment/v1', 'sentiment'],
  ['sentiment/v2', 'sentiment'],
  ['sentiment/v1', 'team/sentiment'],
  ['tasks/embeddings', 'embeddings'],
  ['iris/mymodel_v2_nozipmap.onnx', 'iris'],
];

/** Moves of aliases, one after the other. */
const ALIASES = [
  ['sentiment', 'production', 1],
  ['sentiment', 'production', 2],
  ['sentiment', 'staging', 1],
  ['sentiment', 'doomed', 1],
  ['team/sentiment', 'production', 1],
];

/** Publishes a model of each kind, anew for each server: Schemathesis deletes what it finds. */
async function publish(store) {
  const opened = await openStore(store);
  try {
    for (const [path, name] of MODELS) await push(opened, join(root, 'test/fixtures', path), { name });
    for (const [model, alias, to] of ALIASES) await opened.moveAlias({ model, alias, to });
  } finally {
    await opened.close();
  }
}

/** Has Schemathesis ask one server; true if it found nothing. */
async function run(name, settings, args) {
  console.error(`\n== ${name}`);
  const own = join(folder, name.replaceAll(' ', '-'));
  const store = `file://${join(own, 'store')}`;
  await publish(store);
  const flags = {
    store,
    otherStores: [`other=file://${join(own, 'other')}`],
    cacheDir: join(own, 'cache'),
    port: 0,
    runners: 1,
    threads: 1,
    logLevel: 'error',
    ...settings,
  };
  const server = await serve({ settings: resolveSettings({ flags }).values, version: '0.0.0-test' });
  try {
    const config = ['--config-file', join(import.meta.dirname, 'schemathesis.toml')];
    const all = ['run', `${server.url}/openapi.json`, '--checks', CHECKS.join(','), ...args, ...process.argv.slice(2)];
    // Not in this process: the server that it asks is.
    const env = { ...process.env, PYTHONPATH: import.meta.dirname, PYTHONDONTWRITEBYTECODE: '1' };
    const child = spawn(program, [...config, ...all], { cwd: folder, env, stdio: ['ignore', 2, 2] });
    const [code] = await once(child, 'close');
    return code === 0;
  } finally {
    await server.close();
  }
}

try {
  const { key } = await addKey(authKeys, { name: 'schemathesis', scopes: ['admin'] });
  const header = ['--header', `Authorization: Bearer ${key}`];
  const found = [await run('without keys', {}, []), await run('with keys', { authKeys }, header)];
  process.exitCode = found.every(Boolean) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
