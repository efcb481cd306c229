import { createRequire } from 'node:module';
import type * as tokenizers from 'tokenizers';
import { ModelkeepError } from '../../core/index.js';

// The package is CommonJS that finds its native file when it is run, so the names it exports cannot be seen before.
const { Tokenizer: RustTokenizer } = createRequire(import.meta.url)('tokenizers') as typeof tokenizers;

/** A tokenizer of the Rust library. */
export type Library = tokenizers.Tokenizer;

/**
 * Opens the library on the text of a `tokenizer.json`. Truncation and padding that the file carries are put aside:
 * transformers sets its own for each call, and here texts are cut and filled up by the tasks.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for what the library cannot read
 */
export function openLibrary(json: string): Library {
  let library: Library;
  try {
    library = RustTokenizer.fromString(json);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `tokenizer.json cannot be used: ${why}. Save the tokenizer again with tokenizers 0.23 or older`,
      { cause: error },
    );
  }
  library.disableTruncation();
  library.disablePadding();
  return library;
}
