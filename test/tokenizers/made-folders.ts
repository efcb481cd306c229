import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModelkeepError, type VersionFiles } from '../../src/core/index.js';
import { readModelConfig } from '../../src/tasks/model-config.js';
import { openLibrary } from '../../src/tasks/tokenizer/library.js';
import { openTokenizer, type TextTokenizer } from '../../src/tasks/tokenizer/tokenizer.js';
import { memoryFiles } from '../unit/formats/memory-files.js';

/** What AutoTokenizer makes of a text, or of a pair of texts. */
interface Row {
  readonly text: string;
  readonly pair?: string | undefined;
  readonly ids: readonly number[];
  /** Absent where the tokenizer gives no segments. */
  readonly types?: readonly number[] | undefined;
  /** Ids without special tokens, and where in the text they are from. */
  readonly bare: readonly number[];
  readonly places?: readonly (readonly number[])[] | undefined;
  /** Ids as they are cut to the limit. */
  readonly cut?: readonly number[] | undefined;
  readonly decoded?: string;
}

/** What AutoTokenizer makes of a folder, or the error that it ends with (`test/fixtures/make/make_tokenizers.py`). */
export interface Made {
  readonly error?: string;
  readonly maxTokens: number | null;
  readonly mask: readonly [string, number] | null;
  readonly pad: readonly ['left' | 'right', number | null];
  readonly cutsAt: 'left' | 'right';
  readonly inputs: readonly string[];
  /** The tokenizer that the Rust library of Python was given; absent where ids are in `rows`. */
  readonly json?: string;
  readonly rows?: readonly Row[];
}

/** What we make of a folder, beside what was expected. */
export interface Outcome {
  /** Our error, where the folder was refused. */
  readonly refusal?: ModelkeepError;
  /** The first thing that differs. */
  readonly difference?: string | undefined;
}

/** What the model's positions take is no limit of the tokenizer's files. */
const LARGEST_LIMIT = 1e6;

/** The small files of a folder, without the goldens in it. */
export function filesOf(folder: string): VersionFiles {
  const names = readdirSync(folder).filter((name) => !name.startsWith('golden'));
  return memoryFiles(Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))])));
}

/**
 * Compares the tokenizer of files with what transformers made of them.
 *
 * @param texts texts to compare, where there are no rows
 */
export async function compareMade(files: VersionFiles, made: Made, texts: readonly string[] = []): Promise<Outcome> {
  try {
    const tokenizer = await openTokenizer(files, await readModelConfig(files));
    if (tokenizer === undefined) return { difference: 'there is no tokenizer' };
    if (made.error !== undefined) return {};
    for await (const difference of differences(tokenizer, made, texts)) return { difference };
    return {};
  } catch (error) {
    if (error instanceof ModelkeepError) return { refusal: error };
    throw error;
  }
}

type Compared = readonly [what: string, ours: unknown, theirs: unknown];

async function* differences(tokenizer: TextTokenizer, made: Made, texts: readonly string[]): AsyncGenerator<string> {
  const limit = tokenizer.maxTokens > LARGEST_LIMIT ? null : tokenizer.maxTokens;
  const mask = tokenizer.maskToken === undefined ? null : [tokenizer.maskToken, tokenizer.maskId];
  const [side, padId] = made.pad;
  yield* unequal([
    ['limit', limit, made.maxTokens],
    ['mask', mask, made.mask ?? null],
    ['side of padding', tokenizer.padLeft, side === 'left'],
    ['padding', padId === null ? null : tokenizer.padId, padId],
  ]);
  for await (const row of made.json === undefined ? (made.rows ?? []) : rowsOf(made.json, made, texts)) {
    yield* unequal(await compared(tokenizer, row));
  }
}

function* unequal(all: readonly Compared[]): Generator<string> {
  for (const [what, ours, theirs] of all) {
    const [a, b] = [JSON.stringify(ours), JSON.stringify(theirs)];
    if (a !== b) yield `${what}: ${a} instead of ${b}`;
  }
}

async function compared(tokenizer: TextTokenizer, row: Row): Promise<readonly Compared[]> {
  const { text, pair } = row;
  const at = `of ${JSON.stringify(text)}${pair === undefined ? '' : ` with ${JSON.stringify(pair)}`}`;
  const second = pair === undefined ? undefined : await tokenizer.ids(pair);
  const { ids, typeIds } = tokenizer.assemble(await tokenizer.ids(text), second);
  const bare = await tokenizer.aligned(text);
  const places = bare.starts.map((start, i) => [start, bare.ends[i]]);
  return [
    [`ids ${at}`, ids, row.ids],
    [`segments ${at}`, typeIds, row.types],
    [`bare ids ${at}`, bare.ids, row.bare],
    [`places ${at}`, row.places && places, row.places],
    [`cut ids ${at}`, row.cut && (await tokenizer.encode(text, pair)).ids, row.cut],
    [`text ${at}`, row.decoded && (await tokenizer.decode(ids, { skipSpecial: true })), row.decoded],
  ];
}

/** What the Rust library gives for texts, alone and the first ones in pairs. */
async function* rowsOf(json: string, made: Made, texts: readonly string[]): AsyncGenerator<Row> {
  const library = openLibrary(json);
  const pairs = texts.slice(0, 6).map((text, i) => [text, texts[i + 6]] as const);
  for (const [text, pair] of [...texts.map((one) => [one, undefined] as const), ...pairs]) {
    const whole = await library.encode(text, pair ?? null);
    const bare = await library.encode(text, null, { addSpecialTokens: false });
    const sequences = whole.getSequenceIds();
    const first = sequences.indexOf(0);
    const ids = whole.getIds();
    const last = first + bare.getLength();
    const over = ids.length - (made.maxTokens ?? ids.length);
    const kept =
      over <= 0 ? bare.getIds() : made.cutsAt === 'left' ? bare.getIds().slice(over) : bare.getIds().slice(0, -over);
    yield {
      text,
      pair,
      ids,
      types: made.inputs.includes('token_type_ids') ? whole.getTypeIds() : undefined,
      bare: bare.getIds(),
      places: bare.getOffsets(),
      cut: pair === undefined && first >= 0 ? [...ids.slice(0, first), ...kept, ...ids.slice(last)] : undefined,
    };
  }
}
