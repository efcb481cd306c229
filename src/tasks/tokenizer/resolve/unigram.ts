import type { JsonObject } from '../../json-file.js';
import { addedToken } from './added-tokens.js';
import {
  listVocabulary,
  METASPACE,
  preSequence,
  replacePattern,
  replaceText,
  sequence,
  template,
  type Parts,
} from './parts.js';
import { CONTROL, USER_DEFINED, type SentencePiece } from './sentencepiece.js';
import { flag, type Settings } from './settings.js';

type Scored = readonly [string, number];

/** Digits as Python's `isdigit` has them. */
const DIGIT =
  /[\p{Nd}\u00b2\u00b3\u00b9\u1369-\u1371\u19da\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c\u2488-\u2490\u24ea\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792]/u;

/** A token such as `9,`, which ALBERT does not want to use. */
function isNumberWithComma(piece: string): boolean {
  const characters = Array.from(piece);
  return characters.length >= 2 && characters.at(-1) === ',' && DIGIT.test(characters.at(-2) ?? '');
}

/** The merges of a BPE model of sentencepiece, which has scores instead (`generate_merges`). */
function mergesOf(model: SentencePiece, scored: readonly Scored[]): (readonly [string, string])[] {
  const ids = new Map(model.pieces.map(({ text }, id) => [text, id]));
  const scores = new Map(scored);
  const merges: { left: string; right: string; score: number; sizes: readonly [number, number] }[] = [];
  for (const [piece, score] of scores) {
    const characters = Array.from(piece);
    const local: { left: string; right: string; leftId: number; rightId: number; at: number }[] = [];
    let end = 0;
    for (let at = 1; at < characters.length; at++) {
      end += characters[at - 1]?.length ?? 0;
      const left = piece.slice(0, end);
      const right = piece.slice(end);
      const leftId = ids.get(left);
      const rightId = ids.get(right);
      if (leftId !== undefined && rightId !== undefined) local.push({ left, right, leftId, rightId, at });
    }
    local.sort((a, b) => a.leftId - b.leftId || a.rightId - b.rightId);
    for (const { left, right, at } of local) merges.push({ left, right, score, sizes: [at, characters.length - at] });
  }
  return merges
    .toSorted((a, b) => b.score - a.score || b.sizes[0] - a.sizes[0] || b.sizes[1] - a.sizes[1])
    .map(({ left, right }) => [left, right]);
}

function modelOf(model: SentencePiece, vocab: readonly Scored[], unkId: number): JsonObject {
  if (model.kind === 'unigram') return { type: 'Unigram', unk_id: unkId, vocab, byte_fallback: false };
  return {
    type: 'BPE',
    dropout: null,
    unk_token: model.unkPiece,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: true,
    byte_fallback: false,
    ignore_merges: false,
    vocab: Object.fromEntries(vocab.map(([token], id) => [token, id])),
    merges: mergesOf(model, vocab),
  };
}

const precompiled = ({ charsMap }: SentencePiece): JsonObject[] =>
  charsMap === '' ? [] : [{ type: 'Precompiled', precompiled_charsmap: charsMap }];

/** The normaliser that a conversion has if its family says nothing else (`SpmConverter.normalizer`). */
function plainNormalizer(model: SentencePiece): JsonObject {
  return sequence([
    ...precompiled(model),
    { type: 'Strip', strip_left: false, strip_right: true },
    replacePattern(' {2,}', '▁'),
  ]);
}

interface Family {
  readonly vocab: readonly Scored[];
  readonly unkId: number;
  readonly normalizer: JsonObject;
  readonly preTokenizer: JsonObject;
  readonly postProcessor: Parts['postProcessor'];
}

function put(model: SentencePiece, family: Family): Parts {
  const added = model.pieces
    .filter(({ type }) => type === CONTROL || type === USER_DEFINED)
    .map(({ text, type }) => addedToken(text, { normalized: false, special: type === CONTROL }));
  return {
    model: modelOf(model, family.vocab, family.unkId),
    vocabulary: listVocabulary(family.vocab),
    normalizer: family.normalizer,
    preTokenizer: family.preTokenizer,
    decoder: METASPACE,
    postProcessor: family.postProcessor,
    added,
  };
}

const scored = ({ pieces }: SentencePiece): Scored[] => pieces.map(({ text, score }) => [text, score]);

const bertTemplate: Parts['postProcessor'] = (idOf) =>
  template(['[CLS]', idOf('[CLS]')], ['[SEP]', idOf('[SEP]')], { separators: 1, pairType: 1 });
const fairseqTemplate: Parts['postProcessor'] = (idOf) =>
  template(['<s>', idOf('<s>')], ['</s>', idOf('</s>')], { separators: 2, pairType: 0 });

/** ALBERT's tokenizer from spiece.model (`AlbertConverter`). */
export function convertAlbert(model: SentencePiece, settings: Settings): Parts {
  const accents = flag(settings, 'keep_accents', false) ? [] : [{ type: 'NFKD' }, { type: 'StripAccents' }];
  const lower = flag(settings, 'do_lower_case', true) ? [{ type: 'Lowercase' }] : [];
  return put(model, {
    vocab: scored(model).map(([text, score]) => [text, isNumberWithComma(text) ? score - 100 : score]),
    unkId: model.unkId,
    normalizer: sequence([
      replaceText('``', '"'),
      replaceText("''", '"'),
      ...accents,
      ...lower,
      ...precompiled(model),
      replacePattern(' {2,}', ' '),
    ]),
    preTokenizer: METASPACE,
    postProcessor: bertTemplate,
  });
}

/** XLM-R's tokenizer from sentencepiece.bpe.model: fairseq put four tokens of its own in front (`XLMRobertaConverter`). */
export function convertXlmRoberta(model: SentencePiece): Parts {
  const own: Scored[] = ['<s>', '<pad>', '</s>', '<unk>'].map((token) => [token, 0]);
  return put(model, {
    vocab: [...own, ...scored(model).slice(3), ['<mask>', 0]],
    unkId: 3,
    normalizer: plainNormalizer(model),
    preTokenizer: METASPACE,
    postProcessor: fairseqTemplate,
  });
}

/** CamemBERT's tokenizer from sentencepiece.bpe.model (`CamembertConverter`). */
export function convertCamembert(model: SentencePiece): Parts {
  const own: Scored[] = [
    ['<s>NOTUSED', 0],
    ['<pad>', 0],
    ['</s>NOTUSED', 0],
    ['<unk>', 0],
    ['<unk>NOTUSED', -100],
  ];
  return put(model, {
    vocab: [...own, ...scored(model).slice(1), ['<mask>', 0]],
    unkId: 3,
    normalizer: plainNormalizer(model),
    preTokenizer: METASPACE,
    postProcessor: fairseqTemplate,
  });
}

/** The tokenizer of DeBERTa v2 and v3 from spm.model (`DebertaV2Converter`). */
export function convertDebertaV2(model: SentencePiece, settings: Settings): Parts {
  const lower = flag(settings, 'do_lower_case', false) ? [{ type: 'Lowercase' }] : [];
  const punctuation = flag(settings, 'split_by_punct', false) ? [{ type: 'Punctuation', behavior: 'Isolated' }] : [];
  return put(model, {
    vocab: scored(model),
    unkId: model.unkId,
    normalizer: sequence([
      ...lower,
      { type: 'Strip', strip_left: true, strip_right: true },
      ...precompiled(model),
      replacePattern(' {2,}', ' '),
    ]),
    preTokenizer: preSequence([...punctuation, METASPACE]),
    postProcessor: bertTemplate,
  });
}
