import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cliHome, type CliHome, type ErrorDocument, type JsonRan } from './cli-harness.js';

let home: CliHome;

beforeAll(() => {
  home = cliHome();
});

afterAll(() => home[Symbol.dispose]());

interface SettingDocument {
  readonly name: string;
  readonly value: unknown;
  readonly origin: string;
  readonly flag: string;
  readonly environment: string;
}

describe('help', () => {
  test.each([
    'push',
    'pull',
    'list',
    'show',
    'alias',
    'alias set',
    'alias rm',
    'alias list',
    'predict',
    'eval',
    'serve',
    'config',
    'doctor',
  ])('%s teaches by example', async (command) => {
    const { code, stdout, stderr } = await home.run([...command.split(' '), '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^Usage: modelkeep ${command}`));
    expect(stdout).toMatch(/\nExamples:\n {2}\$ modelkeep /);
  });

  test('modelkeep alone and --help name every command', async () => {
    const { code, stdout } = await home.run(['--help']);
    expect(code).toBe(0);
    for (const name of ['push', 'pull', 'list', 'show', 'alias', 'predict', 'eval', 'serve', 'config', 'doctor']) {
      expect(stdout).toMatch(new RegExp(`^ +${name}\\b`, 'm'));
    }
    const alone = await home.run([]);
    expect(alone.code).toBe(2);
    expect(alone.stderr).toContain('Usage: modelkeep');
  });
});

describe('usage that is wrong', () => {
  test.each([
    [['list', '--nope'], '--nope'],
    [['nope'], 'nope'],
    [['push', '.'], '--name'],
    [['pull', 'sentiment'], 'dir'],
    [['list', 'a', 'b'], 'argument'],
    [['alias', 'nope'], 'nope'],
  ])('%j is refused and named', async (args, named) => {
    const human = await home.run(args);
    expect(human).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(named) });
    const { code, value } = (await home.json(args)) as JsonRan<ErrorDocument>;
    expect(code).toBe(2);
    expect(value.error).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining(named) });
  });
});

describe('config', () => {
  test('says of every setting where it came from, the strongest first', async () => {
    const file = join(home.root, 'settings.json');
    writeFileSync(file, JSON.stringify({ port: 1_001, maxQueue: 7, host: 'from.file' }));
    const { code, value } = (await home.json(['config', '--config', file, '--port', '1003'], {
      environment: { MODELKEEP_PORT: '1002', MODELKEEP_MAX_QUEUE: '8' },
    })) as JsonRan<SettingDocument[]>;
    expect(code).toBe(0);
    const of = (name: string) => value.find((one) => one.name === name);
    expect(of('port')).toMatchObject({ value: 1_003, origin: 'flag', flag: '--port', environment: 'MODELKEEP_PORT' });
    expect(of('maxQueue')).toMatchObject({ value: 8, origin: 'environment' });
    expect(of('host')).toMatchObject({ value: 'from.file', origin: 'file' });
    expect(of('maxBatchRequests')).toMatchObject({ value: 32, origin: 'default' });
    const { stdout } = await home.run(['config', '--config', file]);
    expect(stdout).toMatch(/^port +1001 +file +--port +MODELKEEP_PORT$/m);
  });

  test('an unknown setting in the file is named', async () => {
    const file = join(home.root, 'wrong.json');
    writeFileSync(file, JSON.stringify({ prot: 1 }));
    const { code, value } = (await home.json(['config', '--config', file])) as JsonRan<ErrorDocument>;
    expect(code).toBe(2);
    expect(value.error).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining('prot') });
  });
});

describe('doctor', () => {
  test('finds a whole machine in order', async () => {
    const { code, value } = (await home.json(['doctor'])) as JsonRan<{
      ok: boolean;
      checks: { name: string; ok: boolean; detail: string }[];
    }>;
    expect(value.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(value.checks.map(({ name }) => name)).toEqual(['machine', 'store', 'cache', 'runner', 'pickles']);
    expect({ code, ok: value.ok }).toEqual({ code: 0, ok: true });
  });

  test('says what is wrong with a store that does not answer', async () => {
    const { code, stdout } = await home.run(['doctor', '--store', 'mongodb://127.0.0.1:1/models']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL store +STORE_UNAVAILABLE: /m);
    expect(stdout).toMatch(/^ok +runner /m);
  });
});

describe('secrets', () => {
  const secret = 'hunter2';
  // Nothing listens on port 1: there is no need to wait for it as long as a user's store deserves.
  const soon = 'serverSelectionTimeoutMS=300';
  const urls = [
    `mongodb://user:${secret}@127.0.0.1:1/models?${soon}`,
    `mongodb://user:${secret}@127.0.0.1:1,127.0.0.1:2/models?replicaSet=rs0&${soon}`,
    `mongodb://user:a/${secret}@127.0.0.1:1/models?${soon}`,
    `mongodb://user:a@${secret}@127.0.0.1:1/models?${soon}`,
    `mongodb://127.0.0.1:1/models?tlsCertificateKeyFilePassword=${secret}&${soon}`,
    `mongodb+srv://user:${secret}@nowhere.invalid/models`,
    `redis://user:${secret}@127.0.0.1:1/0`,
  ];

  test.each(urls)('of %s appear nowhere', async (url) => {
    const commands = [['list', '--json'], ['config'], ['config', '--json'], ['serve', '--port', '0']];
    const runs = await Promise.all(
      commands.map((args, index) =>
        index % 2 === 0
          ? home.run([...args, '--store', url])
          : home.run(args, { environment: { MODELKEEP_STORE: url } }),
      ),
    );
    for (const { stdout, stderr } of runs) {
      expect(stdout + stderr).toMatch(/\w/);
      expect(stdout + stderr).not.toContain(secret);
    }
    expect(runs.map(({ code }) => code === 0)).toEqual(commands.map(([name]) => name === 'config'));
  });
});
