import type { VersionFiles } from '../../../core/index.js';
import type { JsonObject } from '../../json-file.js';
import type { ModelConfig } from '../../model-config.js';
import { readTokenizerFiles } from '../files.js';
import { SPECIAL_NAMES, type ResolvedTokenizer } from '../resolved.js';

/** A `model_max_length` above this is transformers' way to say "no limit". */
const NO_LIMIT = 1_000_000;

/** Tokenizer classes whose models take no segment ids (`model_input_names` of the classes in transformers 4.46). */
const WITHOUT_TYPE_IDS =
  /^(DistilBert|Roberta|XLMRoberta|Camembert|MPNet|Longformer|Bart|Barthez|MBart|Bloom|GPT2|LED|Blenderbot|Llama|Qwen2)Tokenizer/;

/**
 * Resolves the files of a version into its tokenizer, as `AutoTokenizer.from_pretrained` does.
 *
 * @returns undefined if the version has no tokenizer
 * @throws ModelkeepError `INVALID_ARTIFACT` for damaged files, `UNSUPPORTED_FORMAT` for a tokenizer that is not known
 */
export async function resolveTokenizer(
  files: VersionFiles,
  model: ModelConfig | undefined,
): Promise<ResolvedTokenizer | undefined> {
  const found = await readTokenizerFiles(files, model);
  if (found === undefined) return undefined;
  const { json, config } = found;
  const className = typeof config['tokenizer_class'] === 'string' ? config['tokenizer_class'].replace(/Fast$/, '') : '';
  const prefix = (json['model'] as JsonObject | undefined)?.['continuing_subword_prefix'];
  const limit = config['model_max_length'];
  const names = config['model_input_names'];
  return {
    json: JSON.stringify({ ...json, truncation: null, padding: null }),
    className,
    source: ['tokenizer.json', 'vocab.txt', 'vocab.json'].find((path) => files.size(path) !== undefined) ?? '',
    special: Object.fromEntries(
      SPECIAL_NAMES.flatMap((name) => {
        const token = contentOf(config[`${name}_token`]);
        return token === undefined ? [] : [[name, token]];
      }),
    ),
    maxTokens: typeof limit === 'number' && limit < NO_LIMIT ? limit : Number.POSITIVE_INFINITY,
    truncationSide: config['truncation_side'] === 'left' ? 'left' : 'right',
    paddingSide: config['padding_side'] === 'left' ? 'left' : 'right',
    inputNames: Array.isArray(names)
      ? names.map(String)
      : ['input_ids', ...(WITHOUT_TYPE_IDS.test(className) ? [] : ['token_type_ids']), 'attention_mask'],
    subwordPrefix: typeof prefix === 'string' && prefix !== '' ? prefix : undefined,
    splitsHan: (json['normalizer'] as JsonObject | null | undefined)?.['handle_chinese_chars'] === true,
    padTypeId: 0,
    cleanUpSpaces: config['clean_up_tokenization_spaces'] !== false,
    warnings: [],
  };
}

function contentOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = typeof value === 'object' && value !== null ? (value as JsonObject)['content'] : undefined;
  return typeof content === 'string' ? content : undefined;
}
