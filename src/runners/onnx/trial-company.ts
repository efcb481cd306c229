import type { InferenceSession } from 'onnxruntime-node';
import type { SharedRuns, TextChoices } from '../../formats/index.js';
import type { Encoding } from '../../tasks/index.js';
import { toFloats } from './floats.js';
import { ofLength, type TrialGraph } from './trial-graph.js';
import type { TrialText } from './trial.js';

/** What is compared: outputs, and which of them have numbers for each token. */
interface Compared {
  readonly text: TrialText;
  readonly names: readonly string[];
  readonly perToken: readonly boolean[];
  /** Most tokens of a sequence. */
  readonly most: number;
}

/** Lengths of a sequence and of a longer one beside it, in tokens. */
const LENGTHS: readonly (readonly [own: number, longer: number])[] = [
  [4, 9],
  [12, 31],
  [24, 40],
];

/** What a graph gives for the first of some sequences that run together. */
type FirstOf = (encodings: readonly Encoding[]) => Promise<readonly Float32Array[]>;

/**
 * Which sequences may share a run so that each is answered bit for bit as alone: runs of a sequence alone, twice, beside
 * another of its length, and beside a longer one, are compared.
 */
export async function sharedRuns(
  graph: TrialGraph,
  { text, names, perToken, most }: Compared,
): Promise<Pick<TextChoices, 'shared' | 'twice'>> {
  if (most < LENGTHS[0]![1] || graph.fixesRows) return {};
  const first: FirstOf = async (encodings) => {
    const { results, rows, length } = await graph.run(encodings, names);
    const own = encodings[0]!.ids.length;
    return names.map((name, at) => firstRow(results[name]!, { rows, length, own, perToken: perToken[at]!, text }));
  };
  let shared: SharedRuns | undefined;
  let twice = false;
  for (const [short, long] of LENGTHS) {
    if (long > most) break;
    const own = ofLength(text.encodings, short);
    const other = ofLength(text.encodings, short, 7);
    const pair = await first([own, other]);
    if (!same(pair, await first([own, own])) || !same(pair, await first([own, other, other, own]))) {
      return { shared: 'alone' };
    }
    twice ||= !same(pair, await first([own]));
    if (!same(pair, await first([own, ofLength(text.encodings, long, 5)]))) shared = 'equal-lengths';
  }
  return { ...(shared === undefined ? {} : { shared }), ...(twice ? { twice } : {}) };
}

/** The numbers of the first row, without those of filled places. */
function firstRow(
  tensor: InferenceSession.OnnxValueMapType[string],
  {
    rows,
    length,
    own,
    perToken,
    text,
  }: {
    readonly rows: number;
    readonly length: number;
    readonly own: number;
    readonly perToken: boolean;
    readonly text: TrialText;
  },
): Float32Array {
  const numbers = toFloats(tensor);
  const row = numbers.subarray(0, numbers.length / rows);
  if (!perToken) return row;
  const width = row.length / length;
  const begin = text.padLeft ? (length - own) * width : 0;
  return row.subarray(begin, begin + own * width);
}

/** True if all numbers are the same, bit for bit. */
function same(ones: readonly Float32Array[], others: readonly Float32Array[]): boolean {
  return ones.every((one, at) => {
    const other = others[at];
    return other !== undefined && one.length === other.length && one.every((number, i) => Object.is(number, other[i]));
  });
}
