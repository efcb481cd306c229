import { ModelkeepError } from '../../core/index.js';

/**
 * The character map of a sentencepiece model (`precompiled_charsmap` of `tokenizer.json`): a Darts double-array trie
 * from byte sequences to replacements. Layout: a little-endian uint32 with the byte length of the trie, the trie as
 * uint32 units, then zero-terminated UTF-8 replacements (sentencepiece, normalizer.cc, `DecodePrecompiledCharsMap`).
 */
interface CharsMap {
  readonly units: Uint32Array;
  readonly replacements: Buffer;
}

function decodeCharsMap(base64: string): CharsMap {
  const bytes = Buffer.from(base64, 'base64');
  const trieBytes = bytes.length < 4 ? Number.NaN : bytes.readUInt32LE(0);
  if (!(trieBytes % 4 === 0 && trieBytes > 0 && trieBytes + 4 <= bytes.length)) {
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      'tokenizer.json: precompiled_charsmap is damaged; save the tokenizer again',
    );
  }
  const units = new Uint32Array(trieBytes / 4);
  for (let i = 0; i < units.length; i++) units[i] = bytes.readUInt32LE(4 + i * 4);
  return { units, replacements: bytes.subarray(4 + trieBytes) };
}

// Fields of a Darts-clone unit (darts.h, DoubleArrayUnit).
const hasLeaf = (unit: number): boolean => ((unit >>> 8) & 1) === 1;
const valueOf = (unit: number): number => unit & 0x7fff_ffff;
const labelOf = (unit: number): number => (unit & 0x8000_00ff) >>> 0;
const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);

/** The replacement of the shortest beginning of `key` that the map knows, as the Rust library looks it up. */
function replacementOf(map: CharsMap, key: Uint8Array): string | undefined {
  let node = offsetOf(map.units[0] ?? 0);
  for (const byte of key) {
    if (byte === 0) return undefined;
    node ^= byte;
    const unit = map.units[node] ?? 0;
    if (labelOf(unit) !== byte) return undefined;
    node ^= offsetOf(unit);
    if (!hasLeaf(unit)) continue;
    const start = valueOf(map.units[node] ?? 0);
    const end = map.replacements.indexOf(0, start);
    return map.replacements.toString('utf8', start, end < 0 ? undefined : end);
  }
  return undefined;
}

const utf8 = new TextEncoder();
/** Graphemes of at least this many bytes are looked up character by character (spm_precompiled, lib.rs). */
const LONG_GRAPHEME_BYTES = 6;

/**
 * The normaliser that a `precompiled_charsmap` describes: each grapheme is replaced as the map says, or else each of
 * its characters. The library in use approximates it by NFKC, which differs for joined emoji.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for a damaged map
 */
export function charsMapNormalizer(base64: string): (text: string) => string {
  const map = decodeCharsMap(base64);
  const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });
  const known = new Map<string, string>();
  const normalizeGrapheme = (grapheme: string): string => {
    const bytes = utf8.encode(grapheme);
    const whole = bytes.length < LONG_GRAPHEME_BYTES ? replacementOf(map, bytes) : undefined;
    if (whole !== undefined) return whole;
    let out = '';
    for (const character of grapheme) out += replacementOf(map, utf8.encode(character)) ?? character;
    return out;
  };
  const bySegments = (text: string): string => {
    let out = '';
    for (const { segment } of segmenter.segment(text)) {
      let replaced = known.get(segment);
      if (replaced === undefined) {
        replaced = normalizeGrapheme(segment);
        if (known.size < 20_000) known.set(segment, replaced);
      }
      out += replaced;
    }
    return out;
  };
  const ascii = Array.from({ length: 128 }, (_, code) => normalizeGrapheme(String.fromCharCode(code)));
  const keepsAscii = ascii.slice(32, 127).every((replaced, i) => replaced === String.fromCharCode(32 + i));
  const byCharacters = (text: string): string =>
    keepsAscii ? text : Array.from(text, (character) => ascii[character.charCodeAt(0)]).join('');
  return (text) => overAscii(text, byCharacters, bySegments);
}

/**
 * Cutting text into graphemes is most of the work, and between two printable ASCII characters there is always a border
 * (Unicode Standard Annex 29, rule GB999): only what stands beside other characters needs to be looked at.
 */
function overAscii(text: string, plain: (run: string) => string, other: (rest: string) => string): string {
  let out = '';
  let at = 0;
  for (const { index, 0: run } of text.matchAll(/[ -~]{3,}/g)) {
    const end = index + run.length;
    const from = index === 0 ? 0 : index + 1;
    const to = end === text.length ? end : end - 1;
    if (from > at) out += other(text.slice(at, from));
    out += plain(text.slice(from, to));
    at = to;
  }
  return at < text.length ? out + other(text.slice(at)) : out;
}
