import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { resolveTokenizer } from '../../src/tasks/tokenizer/resolve/resolve.js';
import { openTokenizer } from '../../src/tasks/tokenizer/tokenizer.js';
import { fixtureFiles } from '../unit/tasks/directory-files.js';
import { strings } from './strings.js';

/** Folders of fixtures with a tokenizer, one of each kind. */
export const TOKENIZER_FOLDERS: readonly string[] = [
  'sentiment/v2',
  ...['ner', 'qa', 'zero-shot', 'fill-mask', 'embeddings'].map((name) => `tasks/${name}`),
  ...readdirSync('test/fixtures/archs', { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() && readdirSync(`test/fixtures/archs/${entry.name}`).includes('tokenizer.json')
      ? [`archs/${entry.name}`]
      : [],
  ),
];

/** The Python of the reference, made once. */
async function python(): Promise<string> {
  const script = fileURLToPath(new URL('../../scripts/tokenizers-environment.mjs', import.meta.url));
  const module = (await import(pathToFileURL(script).href)) as { findTokenizersPython(): Promise<string> };
  return module.findTokenizersPython();
}

/** What differs for one text. */
export interface Difference {
  readonly text: string;
  readonly ours: unknown;
  readonly theirs: unknown;
}

type Answer = readonly [ids: number[], typeIds: number[], offsets: [number, number][], bare: number[]];

const BATCH = 200;
const EVAL = 'test/fixtures/sentiment/eval.jsonl';

/** Texts that people wrote, from the fixtures. */
function realTexts(): readonly string[] {
  const rows = readFileSync(EVAL, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return rows.map((line) => (JSON.parse(line) as { text: string }).text);
}

/**
 * Tokenizes strings with ours and with the Rust library for Python on the same tokenizer.json, alone and in pairs, with
 * and without special tokens.
 *
 * @param count strings
 */
export async function differencesOf(folder: string, count: number, seed: number): Promise<readonly Difference[]> {
  const files = fixtureFiles(folder);
  const resolved = await resolveTokenizer(files, undefined);
  const tokenizer = await openTokenizer(files, undefined);
  if (resolved === undefined || tokenizer === undefined) throw new Error(`${folder} has no tokenizer`);
  const child = spawn(await python(), [fileURLToPath(new URL('reference.py', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const found: Difference[] = [];
  try {
    child.stdin.write(`${JSON.stringify(resolved.json)}\n`);
    const all = [...strings(seed, count, Object.values(resolved.special), realTexts())];
    for (let at = 0; at < all.length; at += BATCH) {
      const texts = all.slice(at, at + BATCH);
      const asked = texts.map((text, i) => (i % 5 === 4 ? [text, texts[i - 1]!] : text));
      child.stdin.write(`${JSON.stringify(asked)}\n`);
      const { value } = await lines.next();
      const theirs = JSON.parse(value as string) as readonly Answer[];
      const withTypes = resolved.inputNames.includes('token_type_ids');
      for (const [i, one] of asked.entries()) {
        const [text, pair] = Array.isArray(one) ? one : [one];
        // Put together rather than encoded: that would cut to what the model takes.
        const whole = tokenizer.assemble(
          await tokenizer.ids(text!),
          pair === undefined ? undefined : await tokenizer.ids(pair),
        );
        const bare = await tokenizer.aligned(text!);
        const [ids, typeIds, offsets, bareIds] = theirs[i]!;
        const ours = [whole.ids, whole.typeIds, bare.starts.map((start, t) => [start, bare.ends[t]]), bare.ids];
        const wanted = [ids, withTypes ? typeIds : undefined, offsets, bareIds];
        if (JSON.stringify(ours) !== JSON.stringify(wanted)) found.push({ text: text!, ours, theirs: wanted });
      }
    }
  } finally {
    child.stdin.end();
  }
  return found;
}
