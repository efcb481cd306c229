import { describe, expect, test } from 'vitest';
import { differencesOf, TOKENIZER_FOLDERS } from '../tokenizers/differential.js';

/** A small part of what `npm run test:slow` compares. */
const COUNT = 120;

describe('tokens, types and places are those of the Rust library for Python', () => {
  test.each(TOKENIZER_FOLDERS)('with the tokenizer of %s', { timeout: 60_000 }, async (folder) => {
    expect((await differencesOf(folder, COUNT, 1)).slice(0, 3)).toEqual([]);
  });
});
