import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cliHome, fixture, type CliHome, type ErrorDocument, type JsonRan } from './cli-harness.js';

interface Label {
  readonly label: string;
  readonly score: number;
}

interface Golden extends Label {
  readonly text: string;
}

const goldens = readFileSync(fixture('sentiment/v2/golden.jsonl'), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Golden);
/** Those that fit on a line, and are not taken for JSON. */
const lines = goldens.filter(({ text }) => !/[\n\r\u2028\u2029]/.test(text) && !/^\s*[{"]/.test(text));

let home: CliHome;

beforeAll(async () => {
  home = cliHome();
  await home.run(['push', fixture('sentiment/v1'), '--name', 'sentiment']);
  await home.run(['push', fixture('sentiment/v2'), '--name', 'sentiment']);
});

afterAll(() => home[Symbol.dispose]());

function expectClose(actual: Label | undefined, { label, score }: Label): void {
  expect(actual?.label).toBe(label);
  expect(Math.abs((actual?.score ?? Number.NaN) - score)).toBeLessThanOrEqual(1e-4);
}

describe('texts of the command line', () => {
  test('are answered for people, in order', async () => {
    const { code, stdout, stderr } = await home.run(['predict', 'sentiment', lines[3]!.text, lines[4]!.text]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const answers = stdout.trimEnd().split('\n');
    expect(answers).toHaveLength(2);
    answers.forEach((answer, index) => {
      const { label, score, text } = lines[3 + index]!;
      expect(answer).toContain(`${label} ${score.toFixed(2)}`.slice(0, -1));
      expect(answer).toContain(text.slice(0, 20));
    });
  });

  test('are answered as one JSON document that names the version', async () => {
    const { code, value } = (await home.json(['predict', 'sentiment', '--top-k', '2', lines[3]!.text])) as JsonRan<{
      model: string;
      version: number;
      answers: Label[][];
    }>;
    expect({ code, ...value, answers: value.answers.length }).toEqual({
      code: 0,
      model: 'sentiment',
      version: 2,
      answers: 1,
    });
    expect(value.answers[0]).toHaveLength(2);
    expectClose(value.answers[0]![0], lines[3]!);
  });

  test('go to the version that the reference names', async () => {
    const { value } = await home.json(['predict', 'sentiment:1', 'fine']);
    expect(value).toMatchObject({ version: 1 });
  });
});

describe('a stream of lines', () => {
  test('is answered in order, one JSON line for each', async () => {
    const many = [...lines, ...lines, ...lines, ...lines];
    const input = `${many.map(({ text }) => text).join('\n')}\n`;
    const { code, stdout, stderr } = await home.run(['predict', 'sentiment'], { input });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const answers = stdout.trimEnd().split('\n');
    expect(answers).toHaveLength(many.length);
    answers.forEach((answer, index) => expectClose((JSON.parse(answer) as Label[])[0], many[index]!));
  });

  test('may hold JSON, for texts with new lines', async () => {
    const golden = goldens.find(({ text }) => text.includes('\n'))!;
    const { code, stdout } = await home.run(['predict', 'sentiment'], { input: JSON.stringify(golden.text) });
    expect(code).toBe(0);
    expectClose((JSON.parse(stdout) as Label[])[0], golden);
  });

  test('may come from a file', async () => {
    const file = join(home.root, 'texts.txt');
    writeFileSync(file, lines.map(({ text }) => text).join('\n'));
    const { code, stdout } = await home.run(['predict', 'sentiment', '--file', file]);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(lines.length);
  });

  test('that is empty is answered with nothing', async () => {
    expect(await home.run(['predict', 'sentiment'], { input: '' })).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});

test.each([
  [['predict', 'nope', 'x'], 3, 'MODEL_NOT_FOUND'],
  [['predict', 'sentiment:9', 'x'], 3, 'VERSION_NOT_FOUND'],
  [['predict', 'Sentiment', 'x'], 2, 'INVALID_REFERENCE'],
  [['predict', 'sentiment', 'x', '--param', 'temperature=1'], 2, 'INVALID_INPUT'],
  [['predict', 'sentiment', 'x', '--top-k', 'many'], 2, 'INVALID_INPUT'],
  [['predict', 'sentiment', '--file', '/nowhere/texts.txt'], 2, 'INVALID_INPUT'],
  [['predict', 'sentiment', '--file', '.'], 2, 'INVALID_INPUT'],
  [['predict', 'sentiment', 'x', '--request-timeout-ms', '-1'], 2, 'INVALID_INPUT'],
])('%j ends with %i, %s', async (args, exit, name) => {
  const { code, value } = (await home.json(args)) as JsonRan<ErrorDocument>;
  expect({ code, name: value.error.code }).toEqual({ code: exit, name });
});
