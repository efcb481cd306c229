import type { Writable } from 'node:stream';
import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import pc from 'picocolors';
import { asModelkeepError, formatBytes, type TransferProgress } from '../app/index.js';

/** Where a command writes. */
export interface OutputOptions {
  readonly stdout: Writable;
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** One JSON document on standard output instead of text for people. */
  readonly json: boolean;
}

/** Shares of a long task at which a line is written where there is no terminal for a bar. */
const PLAIN_STEPS = 4;
/** How long a task must have run before such a line is written, in ms. */
const PLAIN_AFTER_MS = 1_000;

/** Results on standard output, progress and messages on standard error. */
export class Output {
  readonly json: boolean;
  readonly #stdout: Writable;
  readonly #stderr: OutputOptions['stderr'];
  #bar: { readonly label: string; readonly bar: SingleBar; readonly startedMs: number } | undefined;
  #plain: { readonly label: string; readonly startedMs: number; step: number } | undefined;

  constructor({ stdout, stderr, json }: OutputOptions) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.json = json;
  }

  /** The command's result: `value` itself as JSON, or what `describe` says of it. */
  result<T>(value: T, describe: (value: T) => string): void {
    this.endProgress();
    this.#stdout.write(`${this.json ? JSON.stringify(value) : describe(value)}\n`);
  }

  /** A line for people, on standard error, so that results can be piped. */
  note(line: string): void {
    this.endProgress();
    this.#stderr.write(`${line}\n`);
  }

  /** Reports how far a long task is: a bar on a terminal, a few plain lines elsewhere, nothing for small ones. */
  progress(label: string, { doneBytes, totalBytes }: TransferProgress): void {
    if (this.#stderr.isTTY === true) this.#drawBar(label, doneBytes, totalBytes);
    else this.#writeSteps(label, doneBytes, totalBytes);
  }

  /** Ends a bar, if there is one. */
  endProgress(): void {
    this.#bar?.bar.stop();
    this.#bar = undefined;
  }

  /** Says what went wrong: on standard error for people, as one JSON document on standard output for programs. */
  error(thrown: unknown): void {
    this.endProgress();
    const error = asModelkeepError(thrown);
    if (this.json) this.#stdout.write(`${JSON.stringify({ error })}\n`);
    else this.#stderr.write(`${pc.red('error')} ${error.code}: ${error.message}\n`);
    if (error.code === 'INTERNAL' && !this.json) this.#stderr.write(`${error.stack ?? ''}\n`);
  }

  #drawBar(label: string, done: number, total: number): void {
    if (this.#bar?.label !== label) {
      this.endProgress();
      const format = `${label.padEnd(8)} {bar} {percentage}% {size} {speed} eta {eta_formatted}`;
      const bar = new SingleBar({
        format,
        stream: this.#stderr as NodeJS.WriteStream,
        hideCursor: true,
        etaBuffer: 50,
      });
      bar.start(total, 0, { size: formatBytes(total), speed: '' });
      this.#bar = { label, bar, startedMs: performance.now() };
    }
    const seconds = (performance.now() - this.#bar.startedMs) / 1_000;
    const speed = seconds > 0.2 ? `${formatBytes(Math.round(done / seconds))}/s` : '';
    this.#bar.bar.update(done, { speed });
  }

  #writeSteps(label: string, done: number, total: number): void {
    const now = performance.now();
    if (this.#plain?.label !== label) this.#plain = { label, startedMs: now, step: 0 };
    const step = total === 0 ? PLAIN_STEPS : Math.floor((PLAIN_STEPS * done) / total);
    // What is over in a moment needs no lines.
    if (step <= this.#plain.step || now - this.#plain.startedMs < PLAIN_AFTER_MS) return;
    this.#plain.step = step;
    if (!this.json)
      this.#stderr.write(`${label} ${Math.round((100 * done) / Math.max(1, total))}% of ${formatBytes(total)}\n`);
  }
}

/** A table without lines between the rows. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const none = {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  };
  const drawn = new Table({
    head: head.map((text) => pc.bold(text)),
    chars: none,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  drawn.push(...rows.map((row) => [...row]));
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** A moment for people: `2026-11-24 02:10:11`, in UTC. */
export function formatTime(date: Date): string {
  return date.toISOString().slice(0, 19).replace('T', ' ');
}
