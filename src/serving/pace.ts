import type { TextSize } from './text-length.js';

/** Weight of the newest run in what is remembered: the last ten or so count. */
const NEWEST = 0.1;
/** Tokens that a tokenizer puts around a sequence. */
const SPECIAL_TOKENS = 2;

/** A mean in which older values fade. */
class Fading {
  #value: number | undefined;

  get value(): number | undefined {
    return this.#value;
  }

  add(value: number): void {
    this.#value = this.#value === undefined ? value : this.#value + NEWEST * (value - this.#value);
  }
}

/** What the runs of one version teach: how many tokens its texts have, and how long these take. */
export class Pace {
  readonly #maxTokens: number;
  readonly #tokensPerWord = new Fading();
  readonly #msPerToken = new Fading();
  readonly #msPerRow = new Fading();

  /** @param maxTokens to which the version's tokenizer cuts a sequence */
  constructor(maxTokens = Number.POSITIVE_INFINITY) {
    this.#maxTokens = maxTokens;
  }

  /** About how many tokens so many words in so many sequences are. */
  tokens(words: number, sequences: number): number {
    const tokens = words * (this.#tokensPerWord.value ?? 1) + SPECIAL_TOKENS * sequences;
    return Math.min(tokens, this.#maxTokens * sequences);
  }

  /** How long a runner takes for a token of text, in ms; 0 until a run was answered. */
  get msPerToken(): number {
    return this.#msPerToken.value ?? 0;
  }

  /** How long a runner takes for a row of tensors, in ms; 0 until a run was answered. */
  get msPerRow(): number {
    return this.#msPerRow.value ?? 0;
  }

  /** Learns from a run of text. @param tokens that it had, without padding */
  ran(sizes: readonly TextSize[], tokens: number, durationMs: number): void {
    if (tokens === 0) return;
    this.#msPerToken.add(durationMs / tokens);
    const words = sizes.reduce((sum, { total }) => sum + total, 0);
    const sequences = sizes.reduce((sum, one) => sum + one.sequences, 0);
    // What was cut says nothing of the length of words; neither do runs of a few signs.
    const isCut = sizes.some(({ longest }) => this.tokens(longest, 1) >= this.#maxTokens);
    if (!isCut && words > 0 && tokens > SPECIAL_TOKENS * sequences)
      this.#tokensPerWord.add((tokens - SPECIAL_TOKENS * sequences) / words);
  }

  /** Learns from a run of tensors. */
  ranTensors({ total }: TextSize, durationMs: number): void {
    this.#msPerRow.add(durationMs / Math.max(1, total));
  }
}
