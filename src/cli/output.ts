import type { Writable } from 'node:stream';
import { Presets, SingleBar } from 'cli-progress';
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
/** How long a task must have run before a bar is drawn, in ms: what is over sooner would only flicker. */
const BAR_AFTER_MS = 200;
/** How long a task must have run before its speed means something, in ms. */
const SPEED_AFTER_MS = 500;

/** Streams that have their one JSON document. */
const answered = new WeakSet<Writable>();

/** How an amount is written: bytes, unless somebody counts something else. */
type Show = (amount: number) => string;

/** Results on standard output, progress and messages on standard error. */
export class Output {
  readonly json: boolean;
  readonly #stdout: Writable;
  readonly #stderr: OutputOptions['stderr'];
  #bar: { readonly label: string; readonly startedMs: number; drawn?: SingleBar } | undefined;
  #plain: { readonly label: string; readonly startedMs: number; step: number } | undefined;

  constructor({ stdout, stderr, json }: OutputOptions) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.json = json;
  }

  /** The command's result: `value` itself as JSON, or what `describe` says of it. */
  result<T>(value: T, describe: (value: T) => string): void {
    this.endProgress();
    if (this.json) answered.add(this.#stdout);
    this.#stdout.write(`${this.json ? JSON.stringify(value) : describe(value)}\n`);
  }

  /** A line for people, on standard error, so that results can be piped. */
  note(line: string): void {
    this.endProgress();
    this.#stderr.write(`${line}\n`);
  }

  /** Reports how far a long task is: a bar on a terminal, a few plain lines elsewhere, nothing for small ones. */
  progress(label: string, { doneBytes, totalBytes }: TransferProgress, show = formatBytes): void {
    if (this.#stderr.isTTY === true) this.#drawBar(label, doneBytes, totalBytes, show);
    else this.#writeSteps(label, doneBytes, totalBytes, show);
  }

  /** Ends a bar, if there is one, and wipes it off: the result says what was done. */
  endProgress(): void {
    this.#bar?.drawn?.stop();
    this.#bar = undefined;
  }

  /**
   * Says what went wrong: on standard error for people, as one JSON document on standard output for programs; on
   * standard error for them too if the result is on standard output already.
   */
  error(thrown: unknown): void {
    this.endProgress();
    const error = asModelkeepError(thrown);
    if (this.json) (answered.has(this.#stdout) ? this.#stderr : this.#stdout).write(`${JSON.stringify({ error })}\n`);
    else this.#stderr.write(`${pc.red('error')} ${error.code}: ${error.message}\n`);
    if (error.code === 'INTERNAL' && !this.json) this.#stderr.write(`${error.stack ?? ''}\n`);
  }

  #drawBar(label: string, done: number, total: number, show: Show): void {
    const now = performance.now();
    if (this.#bar?.label !== label) {
      this.endProgress();
      this.#bar = { label, startedMs: now };
    }
    const elapsedMs = now - this.#bar.startedMs;
    if (elapsedMs < BAR_AFTER_MS) return;
    const rest = { size: show(total), speed: speedOf(done, total, elapsedMs, show) };
    if (this.#bar.drawn === undefined) {
      this.#bar.drawn = new SingleBar(
        {
          format: `${label.padEnd(8)} {bar} {percentage}% of {size}{speed}`,
          stream: this.#stderr,
          barsize: 30,
          hideCursor: true,
          clearOnComplete: true,
        },
        Presets.shades_classic,
      );
      this.#bar.drawn.start(total, done, rest);
    }
    this.#bar.drawn.update(done, rest);
  }

  #writeSteps(label: string, done: number, total: number, show: Show): void {
    const now = performance.now();
    if (this.#plain?.label !== label) this.#plain = { label, startedMs: now, step: 0 };
    const step = total === 0 ? PLAIN_STEPS : Math.floor((PLAIN_STEPS * done) / total);
    // What is over in a moment needs no lines.
    if (step <= this.#plain.step || now - this.#plain.startedMs < PLAIN_AFTER_MS) return;
    this.#plain.step = step;
    if (!this.json)
      this.#stderr.write(`${label} ${Math.round((100 * done) / Math.max(1, total))}% of ${show(total)}\n`);
  }
}

/** `, 20.4 MB/s, 12 s left`, as soon as it can be told. */
function speedOf(done: number, total: number, elapsedMs: number, show: Show): string {
  if (elapsedMs < SPEED_AFTER_MS || done === 0) return '';
  const leftSeconds = Math.ceil((((total - done) / done) * elapsedMs) / 1_000);
  const left = leftSeconds < 120 ? `${leftSeconds} s` : `${Math.ceil(leftSeconds / 60)} min`;
  return `, ${show(Math.round((1_000 * done) / elapsedMs))}/s, ${left} left`;
}

/** A text that somebody else wrote, on one line and without the power to steer the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/\p{Cc}/gu, '\uFFFD');
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
  drawn.push(...rows.map((row) => row.map((cell) => (typeof cell === 'string' ? printable(cell) : cell))));
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
