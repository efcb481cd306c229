import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { array, assert, asyncProperty, constantFrom, string } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerWriter } from '../../../src/cli/input/answers.js';
import { csvLine, csvRecords } from '../../../src/cli/input/csv.js';
import { formOfPath, requestsOf, rowsOf, type InputForm } from '../../../src/cli/input/requests.js';
import { linesOf, openSource } from '../../../src/cli/input/text.js';

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const got: T[] = [];
  for await (const item of items) got.push(item);
  return got;
}

/** Standard input that comes in the given pieces. */
const given = (...pieces: readonly (string | Buffer)[]) =>
  openSource(undefined, Readable.from(pieces.map((piece) => Buffer.from(piece))));

const records = async (...pieces: readonly string[]) =>
  (await all(csvRecords(await given(...pieces)))).map(({ line, cells }) => [line, ...cells]);

const requests = async (form: InputForm, task: string, text: string) => all(requestsOf(await given(text), form, task));

describe('lines', () => {
  test.each([
    ['', []],
    ['a', ['a']],
    ['a\n', ['a']],
    ['a\n\nb', ['a', '', 'b']],
    ['a\r\nb\r\n', ['a', 'b']],
    ['\uFEFFa\n', ['a']],
  ])('%j are %j', async (text, lines) => {
    expect(await all(linesOf(await given(text)))).toEqual(lines);
    // However the bytes are cut.
    const bytes = Array.from(Buffer.from(text), (byte) => Buffer.from([byte]));
    expect(await all(linesOf(await given(...bytes)))).toEqual(lines);
  });

  test('characters that are cut in two pieces come whole', async () => {
    const bytes = Buffer.from('a😀b\n');
    expect(await all(linesOf(await given(bytes.subarray(0, 3), bytes.subarray(3))))).toEqual(['a😀b']);
  });

  test.each([[Buffer.from([0x61, 0xff, 0x0a])], [Buffer.from([0xf0, 0x9f])]])('%j is no UTF-8', async (bytes) => {
    await expect(all(linesOf(await given(bytes)))).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('a line that has no end is refused before it fills the memory', async () => {
    const piece = 'x'.repeat(1_048_576);
    const source = await given(...Array.from({ length: 17 }, () => piece));
    await expect(all(linesOf(source))).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('a file tells its size and how far it is read; one that is not there is refused', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelkeep-input-'));
    try {
      const path = join(folder, 'texts.txt');
      writeFileSync(path, 'one\ntwo\n');
      const source = await openSource(path, Readable.from([]));
      expect([source.totalBytes, source.doneBytes]).toEqual([8, 0]);
      expect(await all(linesOf(source))).toEqual(['one', 'two']);
      expect(source.doneBytes).toBe(8);
      for (const wrong of [join(folder, 'nope.txt'), folder]) {
        await expect(openSource(wrong, Readable.from([]))).rejects.toMatchObject({ code: 'INVALID_INPUT' });
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('tables', () => {
  test('quotes hold commas, line ends and quotes; lines are counted in the file', async () => {
    const text = 'a,b\r\n"x, ""y""","line\nline"\r\n\r\nlast,\n';
    const expected = [
      [1, 'a', 'b'],
      [2, 'x, "y"', 'line\nline'],
      [5, 'last', ''],
    ];
    expect(await records(text)).toEqual(expected);
    expect(await records(...Array.from(text))).toEqual(expected);
  });

  test.each([
    ['a\nb"c\n', 2],
    ['a\n"b"c\n', 2],
    ['a\nb\n"c\n\n', 3],
  ])('%j is refused at line %i', async (text, line) => {
    await expect(records(text)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(`line ${line}:`),
    });
  });

  test('what is written is read again', async () => {
    const cell = string({ unit: constantFrom('a', ' ', ',', '"', '\n', '\r', 'é', '😀'), maxLength: 6 });
    await assert(
      asyncProperty(array(array(cell, { minLength: 2, maxLength: 2 }), { maxLength: 5 }), async (rows) => {
        const read = await all(csvRecords(await given(rows.map(csvLine).join(''))));
        expect(read.map(({ cells }) => cells)).toEqual(rows);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['a,a\n1,2\n', 'twice'],
    ['a,b\n1\n', 'fields'],
  ])('the table %j is refused', async (text) => {
    await expect(all(rowsOf(await given(text), 'csv'))).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});

describe('requests', () => {
  test('auto takes JSON where a line looks like it, and text elsewhere', async () => {
    const text =
      'plain\n"quoted"\n"only" begins so\n\n{"text": "fields", "id": 7}\n{"inputs": "x", "parameters": {"top_k": 1}}\n[MASK] it\n';
    const got = await requests('auto', 'text-classification', text);
    expect(got.map(({ inputs, parameters }) => [inputs, parameters])).toEqual([
      ['plain', undefined],
      ['quoted', undefined],
      ['"only" begins so', undefined],
      ['', undefined],
      ['fields', undefined],
      ['x', { top_k: 1 }],
      ['[MASK] it', undefined],
    ]);
    expect(got.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('text takes every line as it is', async () => {
    expect((await requests('text', 'fill-mask', '"a"\n{"b": 1}\n')).map(({ inputs }) => inputs)).toEqual([
      '"a"',
      '{"b": 1}',
    ]);
  });

  test('fields are those of the task', async () => {
    const row = '{"question": "Who?", "context": "Ada.", "id": 1}\n';
    const [request] = await requests('jsonl', 'question-answering', row);
    expect(request?.inputs).toEqual({ question: 'Who?', context: 'Ada.' });
    const [pair] = await requests('csv', 'sentence-similarity', 'sentence1,sentence2\na,b\n');
    expect(pair?.inputs).toEqual({ source_sentence: 'a', sentences: ['b'] });
    const [list] = await requests('csv', 'text-ranking', 'query,texts\nq,"[""a"",""b""]"\n');
    expect(list?.inputs).toEqual({ query: 'q', texts: ['a', 'b'] });
  });

  test.each([
    ['jsonl', '\n{"text": \n', 2],
    ['jsonl', '{"txt": "a"}\n', 1],
    ['jsonl', '{"text": "a"}\n{"inputs": "a", "parameters": 7}\n', 2],
    ['csv', 'txt\na\n', 2],
  ] as const)('%s %j is refused at line %i', async (form, text, line) => {
    await expect(requests(form, 'text-classification', text)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(`line ${line}:`),
    });
  });

  test.each([
    ['a.csv', 'csv'],
    ['a.CSV', 'csv'],
    ['a.jsonl', 'jsonl'],
    ['a.ndjson', 'jsonl'],
    ['a.txt', 'auto'],
    ['csv', 'auto'],
    [undefined, 'auto'],
  ])('the name %s tells %s', (path, form) => expect(formOfPath(path)).toBe(form));
});

/** A reader that takes one piece at a time, when it is told to. */
function slowReader() {
  const taken: string[] = [];
  let goOn: (() => void) | undefined;
  const stdout = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      taken.push(chunk.toString());
      goOn = done;
    },
  });
  return { stdout, taken, goOn: () => goOn?.() };
}

describe('answers', () => {
  test('wait for a slow reader', async () => {
    const { stdout, taken, goOn } = slowReader();
    const { signal } = new AbortController();
    const writer = new AnswerWriter({ stdout, form: 'jsonl', task: 'text-classification', several: false, signal });
    let written = false;
    const writing = writer
      .write({ inputs: 'a', row: { text: 'a' }, line: 1 }, [{ label: 'x' }])
      .then(() => (written = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect([taken, written]).toEqual([['[{"label":"x"}]\n'], false]);
    goOn();
    await writing;
    expect(written).toBe(true);
  });

  test('in a table come beside their inputs, and take no name that is there', async () => {
    const parts: string[] = [];
    const stdout = new Writable({
      write(chunk: Buffer, _encoding, done) {
        parts.push(chunk.toString());
        done();
      },
    });
    const { signal } = new AbortController();
    const writer = new AnswerWriter({ stdout, form: 'csv', task: 'text-classification', several: true, signal });
    const answer = [{ label: 'x', score: 0.5 }];
    await writer.write({ inputs: 'a, b', row: { text: 'a, b', label: 'y' }, line: 2 }, answer);
    await writer.write({ inputs: 'c', row: { text: 'c', label: 'z' }, line: 3 }, answer);
    expect(parts.join('')).toBe(
      [
        'text,label,predicted_label,score,answers',
        '"a, b",y,x,0.5,"[{""label"":""x"",""score"":0.5}]"',
        'c,z,x,0.5,"[{""label"":""x"",""score"":0.5}]"',
        '',
      ].join('\r\n'),
    );
  });
});
