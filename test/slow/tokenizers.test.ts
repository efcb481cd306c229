import { describe, expect, test } from 'vitest';
import { differencesOf, TOKENIZER_FOLDERS } from '../tokenizers/differential.js';

/** Strings for each tokenizer: more than 30,000 in all. */
const COUNT = 2_000;

describe('tokens, types and places are those of the Rust library for Python', () => {
  test.each(TOKENIZER_FOLDERS)('with the tokenizer of %s', { timeout: 300_000 }, async (folder) => {
    expect((await differencesOf(folder, COUNT, 20_261_201)).slice(0, 5)).toEqual([]);
  });
});
