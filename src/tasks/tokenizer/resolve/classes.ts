import type { SpecialName } from '../resolved.js';
import type { TokenMarks } from './added-tokens.js';

/** How a class of transformers rewrites the parts of tokenizer.json by its settings when it is made. */
export type Obeys = 'bert' | 'mpnet' | 'byte-level' | 'byte-level and post-processor' | 'nothing';

/** How the files of a slow tokenizer become a fast one. */
export type Conversion =
  | 'bert'
  | 'mpnet'
  | 'roberta'
  | 'deberta'
  | 'herbert'
  | 'albert'
  | 'xlm-roberta'
  | 'camembert'
  | 'deberta-v2'
  | 'bert-japanese';

type Marks = Readonly<Partial<Record<SpecialName, TokenMarks>>>;

/** What a tokenizer class of transformers has without being told, and what it does with its settings. */
export interface TokenizerClass {
  readonly special: Readonly<Partial<Record<SpecialName, string>>>;
  /** Further special tokens that count if settings have none; for T5, as many as `extra_ids` says. */
  readonly additional?: AdditionalTokens | 'extra ids' | undefined;
  /** `add_prefix_space` makes it read the files of the slow tokenizer. */
  readonly slowByPrefixSpace?: true | undefined;
  /** Marks that a special token gets when settings give its text alone. */
  readonly marks: Marks;
  readonly inputs: readonly string[];
  /** The inputs in transformers 5, where they are others. */
  readonly inputsOf5?: readonly string[] | undefined;
  readonly paddingSide?: 'left' | undefined;
  readonly obeys: Obeys;
  /** What becomes of its files when there is no tokenizer.json; absent for a class that needs one. */
  readonly slow?: SlowClass | undefined;
  /** The class has no fast form: a tokenizer.json is not read. */
  readonly slowOnly?: true | undefined;
}

/** Further special tokens of a class. */
export interface AdditionalTokens {
  readonly tokens: readonly string[];
  /** They are added to those of the settings. @defaultValue false */
  readonly always?: boolean | undefined;
}

/** The slow form of a class. */
export interface SlowClass {
  readonly conversion: Conversion;
  /** The files that it reads. */
  readonly files: readonly string[];
  readonly marks: Marks;
  /** Its default of `clean_up_tokenization_spaces`. */
  readonly cleanUp: boolean;
}

const WITH_TYPES = Object.freeze(['input_ids', 'token_type_ids', 'attention_mask']);
const WITHOUT_TYPES = Object.freeze(['input_ids', 'attention_mask']);

const BERT_TOKENS = { unk: '[UNK]', sep: '[SEP]', pad: '[PAD]', cls: '[CLS]', mask: '[MASK]' } as const;
const FAIRSEQ_TOKENS = {
  bos: '<s>',
  eos: '</s>',
  unk: '<unk>',
  sep: '</s>',
  pad: '<pad>',
  cls: '<s>',
  mask: '<mask>',
} as const;
const DEBERTA_TOKENS = { bos: '[CLS]', eos: '[SEP]', ...BERT_TOKENS } as const;

/** All special tokens but the mask as added tokens with the usual marks. */
const PLAIN: Marks = { bos: {}, eos: {}, unk: {}, sep: {}, pad: {}, cls: {} };
const MASK: Marks = { mask: { lstrip: true } };
const RAW_MASK: Marks = { mask: { lstrip: true, normalized: false } };
const SPECIAL_MASK: Marks = { mask: { lstrip: true, special: true } };
const NORMALIZED_MASK: Marks = { mask: { lstrip: true, normalized: true, special: true } };

const VOCABULARY = ['vocab.txt'];
const MERGES = ['vocab.json', 'merges.txt'];

function bert(inputs = WITH_TYPES): TokenizerClass {
  const slow: SlowClass = { conversion: 'bert', files: VOCABULARY, marks: {}, cleanUp: true };
  return { special: BERT_TOKENS, marks: {}, inputs, obeys: 'bert', slow };
}

function roberta(marks: Marks): TokenizerClass {
  return {
    special: FAIRSEQ_TOKENS,
    marks,
    inputs: WITHOUT_TYPES,
    obeys: 'byte-level and post-processor',
    slow: { conversion: 'roberta', files: MERGES, marks: { ...PLAIN, ...RAW_MASK }, cleanUp: false },
  };
}

function gpt2(special: TokenizerClass['special']): TokenizerClass {
  return { special, marks: {}, inputs: WITHOUT_TYPES, obeys: 'byte-level' };
}

/** A class that takes tokenizer.json as it is. */
function plain(special: TokenizerClass['special'], inputs: readonly string[], more: Partial<TokenizerClass> = {}) {
  return { special, marks: {}, inputs, obeys: 'nothing', ...more } satisfies TokenizerClass;
}

function t5(): TokenizerClass {
  return plain({ eos: '</s>', unk: '<unk>', pad: '<pad>' }, WITHOUT_TYPES, {
    additional: 'extra ids',
    slowByPrefixSpace: true,
  });
}

const { mask: _, ...FAIRSEQ_WITHOUT_MASK } = FAIRSEQ_TOKENS;
const MADE_UP_WORDS = [0, 1, 2, 3, 4, 5, 6].map((number) => `<madeupword${number}>`);

/** The class that is the tokenizer.json and nothing else. */
export const PLAIN_CLASS = 'PreTrainedTokenizerFast';

/** Whether a class, by its name in {@link CLASSES}, is the tokenizer.json and nothing else. */
export function isPlain(name: string): boolean {
  return name === 'PreTrainedTokenizer' || name === 'TokenizersBackend';
}

/**
 * The tokenizer classes that are known, by their names without `Fast`. What each does is taken from its constructor in
 * transformers 4.46 (`models/…/tokenization_…_fast.py`), and for slow files from the constructor of the slow class.
 */
export const CLASSES: ReadonlyMap<string, TokenizerClass> = new Map<string, TokenizerClass>([
  ['PreTrainedTokenizer', plain({}, WITH_TYPES)],
  // The same in transformers 5, where it gives no segments unless settings say so.
  ['TokenizersBackend', plain({}, WITHOUT_TYPES)],
  ['BertTokenizer', bert()],
  ['ElectraTokenizer', bert()],
  ['ConvBertTokenizer', bert()],
  ['LayoutLMTokenizer', bert()],
  ['LxmertTokenizer', bert()],
  ['MobileBertTokenizer', bert()],
  ['RealmTokenizer', bert()],
  ['SqueezeBertTokenizer', bert()],
  ['DPRQuestionEncoderTokenizer', bert()],
  ['DPRContextEncoderTokenizer', bert()],
  ['DPRReaderTokenizer', bert()],
  ['DistilBertTokenizer', bert(WITHOUT_TYPES)],
  ['RetriBertTokenizer', bert(WITHOUT_TYPES)],
  [
    'BertJapaneseTokenizer',
    {
      special: BERT_TOKENS,
      marks: {},
      inputs: WITH_TYPES,
      inputsOf5: WITHOUT_TYPES,
      obeys: 'nothing',
      slowOnly: true,
      slow: { conversion: 'bert-japanese', files: VOCABULARY, marks: {}, cleanUp: false },
    },
  ],
  [
    'MPNetTokenizer',
    {
      special: { ...FAIRSEQ_TOKENS, unk: '[UNK]' },
      marks: { ...PLAIN, ...MASK },
      inputs: WITHOUT_TYPES,
      obeys: 'mpnet',
      slow: {
        conversion: 'mpnet',
        files: VOCABULARY,
        marks: { ...Object.fromEntries(Object.keys(PLAIN).map((name) => [name, { special: true }])), ...SPECIAL_MASK },
        cleanUp: true,
      },
    },
  ],
  ['RobertaTokenizer', roberta(RAW_MASK)],
  ['LongformerTokenizer', roberta(RAW_MASK)],
  ['BartTokenizer', roberta(NORMALIZED_MASK)],
  ['LEDTokenizer', roberta(NORMALIZED_MASK)],
  ['MvpTokenizer', roberta({ ...PLAIN, ...MASK })],
  [
    'DebertaTokenizer',
    {
      special: DEBERTA_TOKENS,
      marks: { mask: { lstrip: true } },
      inputs: ['input_ids', 'attention_mask', 'token_type_ids'],
      obeys: 'byte-level',
      slow: { conversion: 'deberta', files: MERGES, marks: { ...PLAIN, ...MASK }, cleanUp: false },
    },
  ],
  ['GPT2Tokenizer', gpt2({ unk: '<|endoftext|>', bos: '<|endoftext|>', eos: '<|endoftext|>' })],
  ['CodeGenTokenizer', gpt2({ unk: '<|endoftext|>', bos: '<|endoftext|>', eos: '<|endoftext|>' })],
  [
    'Qwen2Tokenizer',
    plain({ unk: '<|endoftext|>', eos: '<|endoftext|>', pad: '<|endoftext|>' }, WITHOUT_TYPES, {
      marks: {
        unk: { special: true, normalized: false },
        eos: { special: true, normalized: false },
        pad: { special: true, normalized: false },
      },
    }),
  ],
  [
    'HerbertTokenizer',
    plain({ cls: '<s>', unk: '<unk>', pad: '<pad>', mask: '<mask>', sep: '</s>' }, WITH_TYPES, {
      inputsOf5: WITHOUT_TYPES,
      slow: { conversion: 'herbert', files: MERGES, marks: {}, cleanUp: false },
    }),
  ],
  [
    'AlbertTokenizer',
    plain({ bos: '[CLS]', eos: '[SEP]', ...BERT_TOKENS, unk: '<unk>', pad: '<pad>' }, WITH_TYPES, {
      inputsOf5: WITHOUT_TYPES,
      marks: RAW_MASK,
      slow: { conversion: 'albert', files: ['spiece.model'], marks: RAW_MASK, cleanUp: false },
    }),
  ],
  [
    'XLMRobertaTokenizer',
    plain(FAIRSEQ_TOKENS, WITHOUT_TYPES, {
      marks: MASK,
      slow: { conversion: 'xlm-roberta', files: ['sentencepiece.bpe.model'], marks: SPECIAL_MASK, cleanUp: false },
    }),
  ],
  [
    'CamembertTokenizer',
    plain(FAIRSEQ_TOKENS, WITHOUT_TYPES, {
      additional: { tokens: ['<s>NOTUSED', '</s>NOTUSED', '<unk>NOTUSED'] },
      marks: SPECIAL_MASK,
      slow: {
        conversion: 'camembert',
        files: ['sentencepiece.bpe.model'],
        marks: { mask: { lstrip: true, normalized: false, special: true } },
        cleanUp: false,
      },
    }),
  ],
  [
    'DebertaV2Tokenizer',
    plain(DEBERTA_TOKENS, WITH_TYPES, {
      slow: {
        conversion: 'deberta-v2',
        files: ['spm.model'],
        marks: { unk: { normalized: true, special: true } },
        cleanUp: false,
      },
    }),
  ],
  ['BarthezTokenizer', plain(FAIRSEQ_TOKENS, WITHOUT_TYPES, { marks: MASK })],
  [
    'BigBirdTokenizer',
    plain({ ...FAIRSEQ_TOKENS, sep: '[SEP]', cls: '[CLS]', mask: '[MASK]' }, WITHOUT_TYPES, {
      marks: { ...PLAIN, ...MASK },
    }),
  ],
  [
    'FNetTokenizer',
    plain({ ...BERT_TOKENS, unk: '<unk>', pad: '<pad>' }, ['input_ids', 'token_type_ids'], {
      marks: { sep: {}, cls: {}, ...MASK },
    }),
  ],
  [
    'RemBertTokenizer',
    plain({ bos: '[CLS]', eos: '[SEP]', ...BERT_TOKENS, unk: '<unk>', pad: '<pad>' }, WITH_TYPES, {
      inputsOf5: WITHOUT_TYPES,
      marks: MASK,
    }),
  ],
  [
    'XLNetTokenizer',
    plain({ ...FAIRSEQ_TOKENS, sep: '<sep>', cls: '<cls>' }, WITH_TYPES, {
      additional: { tokens: ['<eop>', '<eod>'] },
      inputsOf5: WITHOUT_TYPES,
      marks: MASK,
      paddingSide: 'left',
    }),
  ],
  [
    'XGLMTokenizer',
    plain(FAIRSEQ_WITHOUT_MASK, WITHOUT_TYPES, {
      additional: { tokens: MADE_UP_WORDS, always: true },
    }),
  ],
  ['T5Tokenizer', t5()],
  ['MT5Tokenizer', t5()],
]);

/** The name of a class as {@link CLASSES} has it; undefined for one that is not known. */
export function classNamed(name: string): string | undefined {
  const short = name.replace(/Fast$/, '');
  const known = CLASSES.get(short);
  return known === undefined || (known.slowOnly && short !== name) ? undefined : short;
}
