import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { changeJson, write, type CaseBench } from './case-bench.js';
import { changeTensors, growTable, type Tensor } from './change-tensors.js';

type Json = Readonly<Record<string, unknown>>;

/** A folder whose tokenizer has a trait that people's tokenizers have. */
export interface TokenizerFolder {
  /** The case that it is, and what it is. */
  readonly id: string;
  readonly trait: string;
  readonly make: (cases: CaseBench) => string;
}

/** Sets keys of a JSON file. */
function set(folder: string, file: string, values: Json): void {
  changeJson(join(folder, file), (json) => ({ ...(json as Json), ...values }));
}

/** A fixture with other settings in tokenizer_config.json. */
function configured(fixture: string, values: Json): TokenizerFolder['make'] {
  return (cases) => {
    const folder = cases.copyOf(fixture);
    set(folder, 'tokenizer_config.json', values);
    return folder;
  };
}

/** A fixture without tokenizer.json, and with other settings instead of its own. */
function slow(fixture: string, settings: Json, change?: (folder: string) => void): TokenizerFolder['make'] {
  return (cases) => {
    const folder = cases.copyOf(fixture);
    rmSync(join(folder, 'tokenizer.json'));
    changeJson(join(folder, 'tokenizer_config.json'), () => settings);
    change?.(folder);
    return folder;
  };
}

/** Two further rows in the table of words of `archs/bert`. */
function grow(folder: string): void {
  set(folder, 'config.json', { vocab_size: 1_502 });
  changeTensors(join(folder, 'model.safetensors'), (tensors) =>
    growTable(tensors, 'bert.embeddings.word_embeddings.weight', 2),
  );
}

const raw = (content: string) => ({
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

const ADDED = {
  ...Object.fromEntries(
    ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '[e1]'].map((one, i) => [i < 5 ? i : 1_500, raw(one)]),
  ),
  '1501': { ...raw('covfefe'), normalized: true, special: false },
};

interface TokenizerJson extends Json {
  readonly added_tokens: readonly Json[];
  readonly model: Json & { readonly vocab: Readonly<Record<string, number>> };
}

/** Words of several alphabets, which take the places of the last ones of a vocabulary. */
const WORDS = [
  'café',
  'Größe',
  'naïve',
  'Привет',
  'мир',
  'мир,',
  'друг',
  'price',
  'price:',
  '١٢٣',
  '½',
  '$',
  '=~',
  '^_^',
];

/** Named entities of `tasks/ner` with another tokenizer.json, which is all of the tokenizer. */
function plain(change: (json: TokenizerJson) => Json): TokenizerFolder['make'] {
  return (cases) => {
    const folder = cases.copyOf('tasks/ner');
    rmSync(join(folder, 'vocab.txt'));
    changeJson(join(folder, 'tokenizer.json'), (json) => {
      const tokenizer = json as TokenizerJson;
      const tokens = Object.keys(tokenizer.model.vocab).slice(0, -WORDS.length);
      const vocab = Object.fromEntries([...tokens, ...WORDS].map((token, id) => [token, id]));
      return change({ ...tokenizer, model: { ...tokenizer.model, vocab } });
    });
    changeJson(join(folder, 'tokenizer_config.json'), (json) => {
      const { added_tokens_decoder: _, ...settings } = json as Json;
      return { ...settings, tokenizer_class: 'PreTrainedTokenizerFast' };
    });
    return folder;
  };
}

const preTokenized = (preTokenizer: Json) => plain((json) => ({ ...json, pre_tokenizer: preTokenizer }));

/** `archs/xlm-roberta` with the pre-tokenizer that the hub's tokenizer has, and another head on its layers. */
function hubXlmRoberta(architecture: string, head: string): TokenizerFolder['make'] {
  return (cases) => {
    const folder = cases.copyOf('archs/xlm-roberta');
    rmSync(join(folder, 'sentencepiece.bpe.model'));
    changeJson(join(folder, 'tokenizer.json'), (json) => ({
      ...(json as Json),
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [{ type: 'WhitespaceSplit' }, (json as Json)['pre_tokenizer']],
      },
    }));
    set(folder, 'config.json', { architectures: [architecture] });
    changeTensors(join(folder, 'model.safetensors'), (tensors) => rename(tensors, head));
    return folder;
  };
}

function rename(tensors: Map<string, Tensor>, head: string): void {
  for (const part of ['weight', 'bias']) {
    const tensor = tensors.get(`classifier.out_proj.${part}`);
    if (tensor === undefined) throw new Error('the classifier has another form');
    for (const layer of ['dense', 'out_proj']) tensors.delete(`classifier.${layer}.${part}`);
    tensors.set(`${head}.${part}`, tensor);
  }
}

/** Folders as they were reported to other projects, each with one trait. */
export const TOKENIZER_FOLDERS: readonly TokenizerFolder[] = [
  {
    id: 'k2-add-prefix-space',
    trait: 'add_prefix_space over a ByteLevel pre-tokenizer without it',
    make: configured('archs/roberta', { add_prefix_space: true }),
  },
  {
    id: 'k2-lower-false',
    trait: 'do_lower_case false over a normaliser that lowers',
    make: configured('sentiment/v2', { do_lower_case: false }),
  },
  {
    id: 'k2-strip-accents',
    trait: 'strip_accents false over a normaliser that takes accents away',
    make: configured('sentiment/v2', { strip_accents: false }),
  },
  {
    id: 'k2-bert-japanese',
    trait: 'characters of a BertJapaneseTokenizer',
    make: slow('sentiment/v2', {
      tokenizer_class: 'BertJapaneseTokenizer',
      do_lower_case: false,
      word_tokenizer_type: 'basic',
      subword_tokenizer_type: 'character',
      model_max_length: 128,
    }),
  },
  {
    id: 'k2-added-tokens-decoder',
    trait: 'vocab.txt with added_tokens_decoder',
    make: slow(
      'archs/bert',
      { do_lower_case: true, model_max_length: 64, tokenizer_class: 'BertTokenizer', added_tokens_decoder: ADDED },
      grow,
    ),
  },
  {
    id: 'k2-added-tokens-json',
    trait: 'vocab.txt with added_tokens.json',
    make: slow(
      'archs/bert',
      { do_lower_case: true, model_max_length: 64, tokenizer_class: 'BertTokenizer' },
      (folder) => {
        grow(folder);
        write(join(folder, 'added_tokens.json'), JSON.stringify({ '[e1]': 1_500, covfefe: 1_501 }));
      },
    ),
  },
  {
    id: 'k2-add-single',
    trait: 'an added token that is no part of a word',
    make: plain((json) => ({
      ...json,
      added_tokens: [
        ...json.added_tokens,
        { ...raw('movie'), id: json.model.vocab['movie'], single_word: true, special: false },
      ],
    })),
  },
  {
    id: 'k2-pre-punct',
    trait: 'white space, then punctuation',
    make: preTokenized({
      type: 'Sequence',
      pretokenizers: [{ type: 'WhitespaceSplit' }, { type: 'Punctuation', behavior: 'Isolated' }],
    }),
  },
  {
    id: 'k2-pre-splitstr',
    trait: 'words split by a text',
    make: preTokenized({ type: 'Split', pattern: { String: ' ' }, behavior: 'Removed', invert: false }),
  },
  { id: 'k2-pre-ws', trait: 'words and signs of every alphabet', make: preTokenized({ type: 'Whitespace' }) },
  {
    id: 'k2-xlm-roberta-ner',
    trait: "places of words with the hub's XLM-R tokenizer",
    make: hubXlmRoberta('XLMRobertaForTokenClassification', 'classifier'),
  },
  {
    id: 'k2-xlm-roberta-qa',
    trait: "an answer's place with the hub's XLM-R tokenizer",
    make: hubXlmRoberta('XLMRobertaForQuestionAnswering', 'qa_outputs'),
  },
];
