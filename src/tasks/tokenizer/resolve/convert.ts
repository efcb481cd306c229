import { ModelkeepError, type VersionFiles } from '../../../core/index.js';
import { readJsonObject } from '../../json-file.js';
import type { SpecialName } from '../resolved.js';
import { textOf, type Token } from './added-tokens.js';
import { convertByteLevel, convertHerbert, readIds } from './byte-level.js';
import type { Conversion } from './classes.js';
import type { Parts } from './parts.js';
import { readSentencePiece } from './sentencepiece.js';
import type { Settings } from './settings.js';
import { readBytes, readLines } from './sources.js';
import { convertAlbert, convertCamembert, convertDebertaV2, convertXlmRoberta } from './unigram.js';
import { convertJapanese, convertWordPiece, readVocabulary } from './word-piece.js';

/** What a conversion is made from. */
export interface SlowFiles {
  readonly files: VersionFiles;
  /** The files of the class, in their order. */
  readonly paths: readonly string[];
  readonly settings: Settings;
  readonly special: ReadonlyMap<SpecialName, Token>;
}

/**
 * Makes a fast tokenizer of the files of a slow one, as `convert_slow_tokenizer` of transformers does.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` for damaged files, `UNSUPPORTED_FORMAT` for what is not served
 */
export async function convert(conversion: Conversion, slow: SlowFiles): Promise<Parts> {
  const { files, paths, settings } = slow;
  const [first = '', second = ''] = paths;
  const text = (name: SpecialName): string => {
    const token = slow.special.get(name);
    if (token !== undefined) return textOf(token);
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `tokenizer_config.json: ${name}_token is null, which ${first} cannot be used without. Give it its token`,
    );
  };
  switch (conversion) {
    case 'bert':
    case 'mpnet':
    case 'bert-japanese': {
      const ids = readVocabulary(await readLines(files, first));
      const special = { unk: text('unk'), cls: text('cls'), sep: text('sep') };
      if (conversion === 'bert-japanese') return convertJapanese(ids, settings, special);
      return convertWordPiece(ids, settings, special, { separators: conversion === 'bert' ? 1 : 2, pairType: 1 });
    }
    case 'roberta':
    case 'deberta':
    case 'herbert': {
      const ids = readIds((await readJsonObject(files, first)) ?? {});
      const merges = await readLines(files, second);
      const special = { unk: text('unk'), cls: text('cls'), sep: text('sep') };
      if (conversion === 'herbert') return convertHerbert(ids, merges, special);
      return convertByteLevel(conversion, ids, merges, settings, special);
    }
    case 'albert':
      return convertAlbert(readSentencePiece(first, await readBytes(files, first)), settings);
    case 'xlm-roberta':
      return convertXlmRoberta(readSentencePiece(first, await readBytes(files, first)));
    case 'camembert':
      return convertCamembert(readSentencePiece(first, await readBytes(files, first)));
    case 'deberta-v2':
      return convertDebertaV2(readSentencePiece(first, await readBytes(files, first)), settings);
  }
}
