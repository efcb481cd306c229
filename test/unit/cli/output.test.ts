import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { formatTime, Output, printable, table } from '../../../src/cli/output.js';
import { ModelkeepError } from '../../../src/core/index.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const said = (stream: PassThrough): string => stripVTControlCharacters(String(stream.read() ?? ''));

/** An output whose streams can be read. */
function output({ isTTY = false, json = false } = {}) {
  const [stdout, stderr] = [new PassThrough(), Object.assign(new PassThrough(), { isTTY })];
  return { out: new Output({ stdout, stderr, json }), read: () => ({ stdout: said(stdout), stderr: said(stderr) }) };
}

const MEGABYTE = 1_000_000;

describe('progress', () => {
  test('of what is over in a moment is not shown', () => {
    for (const isTTY of [true, false]) {
      const { out, read } = output({ isTTY });
      for (const done of [0, 1, 2, 3, 4]) {
        out.progress('sending', { doneBytes: done * MEGABYTE, totalBytes: 4 * MEGABYTE });
        vi.advanceTimersByTime(40);
      }
      out.result('done', String);
      expect(read()).toEqual({ stdout: 'done\n', stderr: '' });
    }
  });

  test('of a long task is a bar on a terminal, with speed and time left', () => {
    const { out, read } = output({ isTTY: true });
    for (let done = 0; done <= 50; done += 10) {
      out.progress('sending', { doneBytes: done * MEGABYTE, totalBytes: 100 * MEGABYTE });
      vi.advanceTimersByTime(1_000);
    }
    const { stderr } = read();
    expect(stderr).toMatch(/sending {2}\S{30} 50% of 100 MB, 10\.0 MB\/s, 5 s left/);
    expect(stderr).not.toMatch(/NaN|Inf|undefined|NF/);
  });

  test('of a long task is a line for each quarter where there is no terminal', () => {
    const { out, read } = output();
    for (let done = 0; done <= 100; done += 5) {
      out.progress('reading', { doneBytes: done * MEGABYTE, totalBytes: 100 * MEGABYTE });
      vi.advanceTimersByTime(1_000);
    }
    const lines = [25, 50, 75, 100].map((percent) => `reading ${percent}% of 100 MB\n`);
    expect(read()).toEqual({ stdout: '', stderr: lines.join('') });
  });

  test('is kept from programs', () => {
    const { out, read } = output({ json: true });
    for (let done = 0; done <= 100; done += 5) {
      out.progress('reading', { doneBytes: done, totalBytes: 100 });
      vi.advanceTimersByTime(1_000);
    }
    expect(read()).toEqual({ stdout: '', stderr: '' });
  });

  test('of an empty task ends', () => {
    const { out, read } = output({ isTTY: true });
    out.progress('sending', { doneBytes: 0, totalBytes: 0 });
    vi.advanceTimersByTime(1_000);
    out.progress('sending', { doneBytes: 0, totalBytes: 0 });
    out.endProgress();
    expect(read().stderr).not.toMatch(/NaN|undefined/);
  });
});

describe('errors', () => {
  test('have their code and sentence, and a stack only for defects', () => {
    const { out, read } = output();
    out.error(new ModelkeepError('MODEL_NOT_FOUND', 'There is no model "x"'));
    expect(read()).toEqual({ stdout: '', stderr: 'error MODEL_NOT_FOUND: There is no model "x"\n' });
    out.error(new TypeError('x is not a function'));
    expect(read().stderr).toMatch(/^error INTERNAL: x is not a function\n[^]*\n\s+at /);
  });

  test('are a document for programs', () => {
    const { out, read } = output({ json: true });
    out.error(new ModelkeepError('INVALID_INPUT', 'no', { details: { field: 'x' } }));
    const { stdout, stderr } = read();
    expect(JSON.parse(stdout)).toEqual({ error: { code: 'INVALID_INPUT', message: 'no', details: { field: 'x' } } });
    expect(stderr).toBe('');
  });
});

test('an error after the result leaves one document on standard output', () => {
  const { out, read } = output({ json: true });
  out.result({ a: 1 }, String);
  out.error(new ModelkeepError('CLOSED', 'late'));
  const { stdout, stderr } = read();
  expect(JSON.parse(stdout)).toEqual({ a: 1 });
  expect(JSON.parse(stderr)).toEqual({ error: { code: 'CLOSED', message: 'late' } });
});

test('what others wrote cannot steer the terminal or break a row', () => {
  const cell = 'first line\nsecond\u001B[2J\u009B31m';
  expect(printable(cell)).toBe('first line second\uFFFD[2J\uFFFD31m');
  expect(table(['MESSAGE'], [[cell]]).split('\n')).toHaveLength(2);
});

test('a table has its columns below one another and no white space at the ends', () => {
  const text = stripVTControlCharacters(
    table(
      ['NAME', 'N'],
      [
        ['a', 1],
        ['longer', 22],
        ['', ''],
      ],
    ),
  );
  expect(text.split('\n')).toEqual(['NAME    N', 'a       1', 'longer  22', '']);
});

test('a moment is written in UTC', () => {
  expect(formatTime(new Date('2026-11-24T02:10:11.999Z'))).toBe('2026-11-24 02:10:11');
});
