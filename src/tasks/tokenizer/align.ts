import type { AddedToken, Library, PreTokenizerStep } from './library.js';

/** Tokens of a text with their places. All lists have one entry a token. */
export interface AlignedText {
  readonly ids: readonly number[];
  /** First Unicode code point of each token in the original text. */
  readonly starts: readonly number[];
  /** Code point behind the last one of each token. */
  readonly ends: readonly number[];
  /** Number of the word (pre-token) each token belongs to. */
  readonly words: readonly number[];
}

/** Normalised text in which each UTF-16 unit knows the code points of the original that it came from. */
interface Traced {
  readonly text: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

type Normalize = ((text: string) => string) | null;

// Marks belong to the character before them, and white space is squeezed in runs: neither is normalised alone.
// oxlint-disable-next-line no-misleading-character-class -- joiners and skin tones are meant one by one
const CLUSTER = /\s+|[^\s][\p{M}\u200c\u200d\u{1F3FB}-\u{1F3FF}]*/gsu;

/**
 * Normalises a section piece by piece, so that each normalised character knows where it came from. Where the whole
 * normalises differently from its pieces, the pieces are searched in the whole, and what is between two found ones
 * belongs to the characters between them.
 */
function trace(section: string, from: number, normalize: Normalize): Traced {
  const whole = normalize === null ? section : normalize(section);
  const starts: number[] = [];
  const ends: number[] = [];
  let place = from;
  let pendingFrom = from;
  for (const [cluster] of section.matchAll(CLUSTER)) {
    const characters = Array.from(cluster);
    const end = place + characters.length;
    const unitwise = normalize === null || characters.every((c) => normalize(c) === c);
    const piece = unitwise ? cluster : normalize(cluster);
    const at =
      piece === '' ? -1 : whole.startsWith(piece, starts.length) ? starts.length : find(whole, piece, starts.length);
    if (at >= 0) {
      while (starts.length < at) {
        starts.push(pendingFrom);
        ends.push(Math.max(place, pendingFrom));
      }
      pushPiece(starts, ends, piece, characters, place, unitwise);
      pendingFrom = end;
    }
    place = end;
  }
  while (starts.length < whole.length) {
    starts.push(pendingFrom);
    ends.push(place);
  }
  return { text: whole, starts, ends };
}

/** Farthest that a piece is searched ahead, in UTF-16 units: what a normaliser adds or drops in between is short. */
const SEARCH_AHEAD = 16;

function find(whole: string, piece: string, from: number): number {
  const at = whole.slice(from, from + SEARCH_AHEAD + piece.length).indexOf(piece);
  return at < 0 ? -1 : from + at;
}

function pushPiece(
  starts: number[],
  ends: number[],
  piece: string,
  characters: readonly string[],
  place: number,
  unitwise: boolean,
): void {
  if (unitwise) {
    characters.forEach((character, i) => {
      for (let unit = 0; unit < character.length; unit++) {
        starts.push(place + i);
        ends.push(place + i + 1);
      }
    });
    return;
  }
  for (let unit = 0; unit < piece.length; unit++) {
    // A replacement of one character by one character keeps its own place, also before stripped marks.
    const single = piece.length === characters.length;
    starts.push(single ? place + unit : place);
    ends.push(single ? place + unit + 1 : place + (piece.length === 1 ? 1 : characters.length));
  }
}

interface Section {
  readonly text: string;
  /** Code point in the original. */
  readonly from: number;
  readonly added?: AddedToken;
}

const codePoints = (text: string): number => Array.from(text).length;

/** Cuts added tokens out of a text: the first that occurs, of several at one place the longest. */
function splitAdded(text: string, added: readonly AddedToken[]): Section[] {
  const byContent = new Map(added.filter(({ content }) => content !== '').map((token) => [token.content, token]));
  const contents = [...byContent.keys()].toSorted((a, b) => b.length - a.length);
  const escaped = contents.map((content) => content.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`));
  const pattern = new RegExp(contents.length === 0 ? '(?!)' : escaped.join('|'), 'gu');
  const sections: Section[] = [];
  let unit = 0;
  let from = 0;
  const push = (end: number, next: AddedToken | undefined, last: AddedToken | undefined): void => {
    const whole = text.slice(unit, end);
    const stripped = last?.rstrip ? whole.trimStart() : whole;
    const trimmed = next?.lstrip ? stripped.trimEnd() : stripped;
    const skipped = codePoints(whole.slice(0, whole.length - stripped.length));
    if (trimmed !== '') sections.push({ text: trimmed, from: from + skipped });
    from += codePoints(whole);
    unit = end;
  };
  let last: AddedToken | undefined;
  for (const match of text.matchAll(pattern)) {
    const token = byContent.get(match[0]);
    if (token === undefined) continue;
    push(match.index, token, last);
    sections.push({ text: token.content, from, added: token });
    from += codePoints(token.content);
    unit += token.content.length;
    last = token;
  }
  push(text.length, undefined, last);
  return sections;
}

class Aligner {
  readonly ids: number[] = [];
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly words: number[] = [];
  #word = 0;
  readonly #lib: Library;
  readonly #unkId: number;
  readonly #byteLevel: boolean;

  constructor(lib: Library, unkId: number) {
    this.#lib = lib;
    this.#unkId = unkId;
    this.#byteLevel = hasByteLevel(lib.pre_tokenizer);
  }

  section(section: Section, index: number): void {
    if (section.added) {
      this.#push(section.added.id, section.from, section.from + Array.from(section.text).length);
      this.#word++;
      return;
    }
    const { pre_tokenizer: pre, normalizer } = this.#lib;
    const traced = trace(section.text, section.from, normalizer && ((text) => normalizer(text)));
    if (traced.text === '') return;
    const words = pre === null ? [traced.text] : pre(traced.text, { section_index: index });
    let at = 0;
    for (const word of words)
      at = this.#byteLevel ? this.#bytesWord(traced, word, at) : this.#plainWord(traced, word, at);
  }

  #push(id: number, start: number, end: number): void {
    this.ids.push(id);
    this.starts.push(start);
    this.ends.push(end);
    this.words.push(this.#word);
  }

  #tokens(word: string): string[] {
    return this.#lib.model([word]);
  }

  /** A word of WordPiece or Unigram: its tokens are its characters, but for a prefix inside words. */
  #plainWord(traced: Traced, word: string, from: number): number {
    const metaspace = word.startsWith('\u2581') || word.includes('\u2581');
    const text = metaspace ? traced.text.replaceAll(' ', '\u2581') : traced.text;
    const found = text.indexOf(word, from);
    const prepended = found < 0 && metaspace;
    const at = prepended ? from - 1 : Math.max(found, from);
    const end = at + word.length;
    const prefix = this.#lib.model.config.continuing_subword_prefix;
    let cursor = at;
    const tokens = this.#tokens(word);
    tokens.forEach((token, i) => {
      const id = this.#lib.token_to_id(token);
      const piece = prefix && i > 0 && token.startsWith(prefix) ? token.slice(prefix.length) : token;
      const known = word.startsWith(piece, cursor - at);
      const to = known ? cursor + piece.length : i === tokens.length - 1 ? end : cursor;
      this.#place(traced, id ?? this.#unkId, Math.max(cursor, 0), Math.max(to, 0));
      if (metaspace && tokens[i + 1]?.startsWith('\u2581')) this.#word++;
      cursor = to;
    });
    this.#word++;
    return end;
  }

  #place(traced: Traced, id: number, from: number, to: number): void {
    const first = traced.starts[from] ?? traced.ends.at(-1) ?? 0;
    this.#push(id, first, to > from ? (traced.ends[to - 1] ?? first) : first);
  }

  /** A word of byte-level BPE: each character of a token is one byte of the UTF-8 text; leading spaces are trimmed. */
  #bytesWord(traced: Traced, word: string, from: number): number {
    const units: number[] = [];
    let at = from;
    const prefixed = from === 0 && word.startsWith('\u0120') && !traced.text.startsWith(' ');
    if (prefixed) units.push(-1);
    while (units.length < word.length && at < traced.text.length) {
      const codePoint = traced.text.codePointAt(at) ?? 0;
      const bytes = codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
      for (let i = 0; i < bytes; i++) units.push(at);
      at += codePoint > 0xffff ? 2 : 1;
    }
    let cursor = 0;
    for (const token of this.#tokens(word)) {
      const covered = units.slice(cursor, cursor + token.length).filter((unit) => unit >= 0);
      const ink = covered.filter((unit) => !/\s/.test(traced.text[unit] ?? ''));
      const places = ink.length > 0 ? ink : covered.slice(-1);
      const first = places[0];
      const last = places.at(-1);
      const id = this.#lib.token_to_id(token) ?? this.#unkId;
      if (first === undefined || last === undefined) this.#push(id, traced.starts[from] ?? 0, traced.starts[from] ?? 0);
      else if (ink.length > 0) this.#push(id, traced.starts[first] ?? 0, traced.ends[last] ?? 0);
      else this.#push(id, traced.ends[last] ?? 0, traced.ends[last] ?? 0);
      cursor += token.length;
    }
    this.#word++;
    return at;
  }
}

function hasByteLevel(step: PreTokenizerStep | null): boolean {
  return step?.byte_encoder !== undefined || (step?.tokenizers?.some(hasByteLevel) ?? false);
}

/**
 * Tokenizes a text and says where in it each token lies, which the library does not: places are counted in Unicode
 * code points of the original text, as transformers counts them.
 *
 * @param unkId id of what is not in the vocabulary
 */
export function alignTokens(lib: Library, text: string, unkId: number): AlignedText {
  const added = [...lib.get_added_tokens_decoder().values()];
  const aligner = new Aligner(lib, unkId);
  splitAdded(text, added).forEach((section, index) => aligner.section(section, index));
  return aligner;
}
