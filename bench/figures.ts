/** What a benchmark prints: figures side by side with their bars, for people or as JSON lines. */
import { cpus, totalmem, type } from 'node:os';
import { createRequire } from 'node:module';

/** Something measured. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What is to be reached; absent where the figure stands beside another for comparison. */
  readonly bar?: { readonly most: number } | { readonly least: number };
}

/** Collects figures and prints each as soon as it is known. */
export class Figures {
  readonly #json: boolean;
  #missed = 0;

  constructor(json: boolean) {
    this.#json = json;
  }

  /** Figures that did not reach their bar. */
  get missed(): number {
    return this.#missed;
  }

  /** The machine and the versions, without which no figure means anything. */
  printMachine(): void {
    const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
    const cores = cpus();
    const gib = (totalmem() / 2 ** 30).toFixed(0);
    const line = `${cores.length} × ${cores[0]?.model ?? 'unknown processor'}, ${gib} GiB, ${type()}, Node ${process.version}, onnxruntime ${version}`;
    if (this.#json) console.error(line);
    else console.log(line);
  }

  /** A line above figures that belong together. */
  heading(text: string): void {
    if (this.#json) console.error(text);
    else console.log(`\n${text}`);
  }

  add({ name, value, unit, bar }: Figure): void {
    const limit = bar === undefined ? undefined : 'most' in bar ? bar.most : bar.least;
    const holds = bar === undefined || ('most' in bar ? value <= bar.most : value >= bar.least);
    if (!holds) this.#missed += 1;
    if (this.#json) {
      console.log(JSON.stringify({ name, value, unit, bar: limit ?? null, holds: bar === undefined ? null : holds }));
      return;
    }
    const shown = `${Number(value.toPrecision(4))} ${unit}`;
    const side = bar !== undefined && 'least' in bar ? 'at least' : 'at most';
    const judged = bar === undefined ? '' : `${side} ${limit} ${unit}   ${holds ? 'holds' : 'DOES NOT HOLD'}`;
    console.log(`  ${name.padEnd(58)} ${shown.padStart(18)}   ${judged}`);
  }
}

/** The value below which the share `share` (0 to 1) of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
