import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sklearnPython } from '../integration/joblib-harness.js';
import { startMongo, type MongoServer } from '../mongodb/start-mongo.js';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Block {
  readonly language: string;
  /** What stands behind the language: a file's name, `setup`, `background` or `fails=CODE`. */
  readonly note: string;
  readonly text: string;
}

const page = readFileSync(join(ROOT, 'docs/article.md'), 'utf8');
const blocks = [...page.matchAll(/^```(\w+) ?(.*)\n([\s\S]*?)^```$/gm)].map(
  ([, language = '', note = '', text = '']): Block => ({ language, note, text }),
);
const commands = blocks
  .filter(({ language, note }) => language === 'sh' && note !== 'setup')
  .map((block) => [block.text.trim().split('\n').at(-1) ?? '', block] as const);

let folder: string;
let mongo: MongoServer;
let environment: NodeJS.ProcessEnv;
const background: ChildProcess[] = [];
const printed = new Map<string, string>();

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A folder in which the page's names mean what a reader has: the scripts, the program and the package. */
function layOut(): string {
  const made = mkdtempSync(join(tmpdir(), 'modelkeep-article-'));
  for (const name of ['seed_publish.py', 'seed_read.py'])
    copyFileSync(join(ROOT, 'test/fixtures/seed', name), join(made, name));
  for (const { language, note, text } of blocks) if (language !== 'sh') writeFileSync(join(made, note), text);
  const program = `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'dist/programs/modelkeep.js')}' "$@"\n`;
  mkdirSync(join(made, 'bin'));
  writeFileSync(join(made, 'bin/modelkeep'), program, { mode: 0o755 });
  mkdirSync(join(made, 'node_modules'));
  symlinkSync(ROOT, join(made, 'node_modules/modelkeep'));
  return made;
}

beforeAll(async () => {
  const python = await sklearnPython();
  mongo = await startMongo();
  folder = layOut();
  environment = {
    HOME: folder,
    PATH: [join(folder, 'bin'), dirname(python), dirname(process.execPath), process.env['PATH']].join(delimiter),
    MODELKEEP_STORE: mongo.uri('test_database'),
    MODELKEEP_CACHE_DIR: join(folder, 'cache'),
    MODELKEEP_PYTHON: 'python3',
    PORT: String(await freePort()),
  };
}, 400_000);

afterAll(async () => {
  for (const child of background) {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }
  await mongo.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

async function outcomeOf(text: string): Promise<{ readonly code: number; readonly stdout: string; stderr: string }> {
  try {
    const options = { cwd: folder, env: environment, timeout: 110_000 };
    return { code: 0, ...(await run('bash', ['-euo', 'pipefail', '-c', text], options)) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

describe('docs/article.md', () => {
  it('sets what these tests set themselves', () => {
    const setup = blocks.find(({ note }) => note === 'setup');
    const names = [...(setup?.text ?? '').matchAll(/^export (\w+)=/gm)].map(([, name]) => name);
    expect(names).toEqual(['MODELKEEP_STORE', 'MODELKEEP_PYTHON', 'PORT']);
  });

  it.each(commands)(
    '%s',
    async (last, { note, text }) => {
      if (note === 'background') {
        const options = { cwd: folder, env: environment, stdio: 'ignore' } as const;
        background.push(spawn('bash', ['-euo', 'pipefail', '-c', `exec ${text}`], options));
        return;
      }
      const { code, stdout, stderr } = await outcomeOf(text);
      const wanted = /^fails=(\w+)$/.exec(note)?.[1];
      expect({ failed: code !== 0, stderr }).toEqual({
        failed: wanted !== undefined,
        stderr: expect.stringContaining(wanted ?? '') as unknown,
      });
      printed.set(last, stdout);
    },
    120_000,
  );

  it('was answered by the second version, from the server and from Node.js', () => {
    expect(printed.get('python3 fresh.py')).toBe('answered by version 2\n');
    expect(printed.get('node ask.mjs')).toBe('mymodel_v1:2 [ 0, 2 ]\n');
  });

  it('was read back by the script: 150 labels behind an id', () => {
    const lines = printed.get('python3 seed_read.py "$MODELKEEP_STORE" mymodel_v1')?.trim().split('\n') ?? [];
    const words = lines.at(-1)?.split(' ') ?? [];
    expect(words).toHaveLength(151);
    expect(words[0]).toMatch(/^[0-9a-f]{24}$/);
  });
});
