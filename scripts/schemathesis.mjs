/**
 * `npm run test:schemathesis`: serves the small models and has Schemathesis ask everything of /openapi.json, with keys
 * and without. Arguments go to Schemathesis, such as `--max-examples 200`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pythonEnvironment } from './python-environment.mjs';
import { root, setUp } from './set-up.mjs';

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

setUp();
const program = join(await pythonEnvironment('venv-schemathesis', PACKAGES), 'schemathesis');
const { addKey, openStore, push, resolveSettings, serve } = await import(`${root}dist/app/index.js`);
const folder = mkdtempSync(join(tmpdir(), 'modelkeep-schemathesis-'));
const store = `file://${join(folder, 'store')}`;
const authKeys = join(folder, 'keys.json');

/** One that classifies, one that embeds, one that takes tensors. */
const MODELS = [
  ['sentiment/v1', 'sentiment'],
  ['tasks/embeddings', 'embeddings'],
  ['iris/mymodel_v2_nozipmap.onnx', 'iris'],
];

/** Publishes a model of each kind. */
async function publish() {
  const opened = await openStore(store);
  try {
    for (const [path, name] of MODELS) await push(opened, join(root, 'test/fixtures', path), { name });
    await opened.moveAlias({ model: 'sentiment', alias: 'production', to: 1 });
  } finally {
    await opened.close();
  }
}

/** Has Schemathesis ask one server; true if it found nothing. */
async function run(name, settings, args) {
  console.error(`\n== ${name}`);
  const flags = {
    store,
    cacheDir: join(folder, 'cache'),
    port: 0,
    runners: 1,
    threads: 1,
    logLevel: 'error',
    ...settings,
  };
  const server = await serve({ settings: resolveSettings({ flags }).values, version: '0.0.0-test' });
  try {
    const all = ['run', `${server.url}/openapi.json`, '--checks', CHECKS.join(','), ...args, ...process.argv.slice(2)];
    // Not in this process: the server that it asks is.
    const child = spawn(program, all, { cwd: folder, stdio: ['ignore', 2, 2] });
    const [code] = await once(child, 'close');
    return code === 0;
  } finally {
    await server.close();
  }
}

try {
  await publish();
  const { key } = await addKey(authKeys, { name: 'schemathesis', scopes: ['admin'] });
  const header = ['--header', `Authorization: Bearer ${key}`];
  const found = [await run('without keys', {}, []), await run('with keys', { authKeys }, header)];
  process.exitCode = found.every(Boolean) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
