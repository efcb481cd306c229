import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { EXIT_CODE, run, type World } from '../../../src/cli/index.js';
import { ERROR_CODES, type ErrorCode } from '../../../src/core/index.js';

const EXPECTED: Readonly<Record<ErrorCode, number>> = {
  INVALID_REFERENCE: 2,
  MODEL_NOT_FOUND: 3,
  VERSION_NOT_FOUND: 3,
  ALIAS_NOT_FOUND: 3,
  ALIAS_CONFLICT: 4,
  INVALID_ARTIFACT: 5,
  UNSUPPORTED_FORMAT: 5,
  UNSAFE_FORMAT: 9,
  DIGEST_MISMATCH: 6,
  STORE_UNAVAILABLE: 7,
  STORE_PERMISSION: 7,
  LOAD_FAILED: 8,
  GATE_FAILED: 4,
  RUNNER_CRASHED: 8,
  OUT_OF_BUDGET: 8,
  INVALID_INPUT: 2,
  OVERLOADED: 8,
  DEADLINE_EXCEEDED: 8,
  CANCELLED: 130,
  UNAUTHENTICATED: 9,
  FORBIDDEN: 9,
  CLOSED: 8,
  INTERNAL: 1,
};

test('the table has every code and no other', () => {
  expect(EXIT_CODE).toEqual(EXPECTED);
  expect(Object.keys(EXIT_CODE).toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted());
});

test('no failure ends like a success', () => {
  expect(Object.values(EXIT_CODE)).not.toContain(0);
});

const said = (stream: PassThrough): string => String(stream.read() ?? '');

/** Runs one command line on the store in memory. */
async function runHere(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end();
  const { signal } = new AbortController();
  const world: World = {
    stdin,
    stdout,
    stderr,
    environment: { MODELKEEP_STORE: 'memory:', ...environment },
    signal,
    version: '1.2.3',
  };
  const code = await run(args, world);
  return { code, stdout: said(stdout), stderr: said(stderr) };
}

test('the version is printed', async () => {
  expect(await runHere(['--version'])).toEqual({ code: 0, stdout: '1.2.3\n', stderr: '' });
});

test('a result goes to standard output as one document', async () => {
  expect(await runHere(['list', '--json'])).toEqual({ code: 0, stdout: '[]\n', stderr: '' });
});

test('an error goes to standard error for people, to standard output for programs', async () => {
  const human = await runHere(['show', 'nope']);
  expect(human).toMatchObject({ code: 3, stdout: '' });
  expect(human.stderr).toMatch(/error.* MODEL_NOT_FOUND: .*"nope"/);
  expect(human.stderr).not.toMatch(/\n\s+at /);
  const json = await runHere(['show', 'nope', '--json']);
  expect(json).toMatchObject({ code: 3, stderr: '' });
  expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: 'MODEL_NOT_FOUND' } });
});

test.each([
  ['a store that no adapter serves', ['list'], { MODELKEEP_STORE: 'redis://localhost/0' }],
  ['a setting that is no number', ['list', '--poll-interval-ms', 'often'], {}],
  ['a port out of range', ['serve', '--port', '70000'], {}],
  ['bytes that are none', ['serve', '--max-body-bytes', '10 pounds'], {}],
  ['a log level that is none', ['serve', '--log-level', 'loud'], {}],
  ['a configuration file that is not there', ['list', '--config', '/nowhere/settings.json'], {}],
  ['metadata that is no JSON', ['push', '.', '--name', 'm', '--metadata', '{'], {}],
  ['metadata that is no object', ['push', '.', '--name', 'm', '--metadata', '[]'], {}],
  ['a parameter without a name', ['predict', 'm', 'x', '--param', '=1'], {}],
])('%s is INVALID_INPUT', async (_what, args, environment) => {
  const { code, stdout } = await runHere([...args, '--json'], environment);
  expect(code).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'INVALID_INPUT', message: expect.stringMatching(/\w/) } });
});
