import type { VersionFiles } from '../../../core/index.js';
import type { JsonObject } from '../../json-file.js';
import type { ModelConfig } from '../../model-config.js';
import { readTokenizerFiles } from '../files.js';
import { SPECIAL_NAMES, type ResolvedTokenizer } from '../resolved.js';

/** A `model_max_length` above this is transformers' way to say "no limit". */
const NO_LIMIT = 1_000_000;

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
  const { json, config, vocabulary } = found;
  const whole = vocabulary && {
    ...json,
    model: { ...(json['model'] as JsonObject), vocab: Object.fromEntries(vocabulary) },
  };
  const limit = config['model_max_length'];
  const names = config['model_input_names'];
  return {
    json: JSON.stringify({ ...(whole ?? json), truncation: null, padding: null }),
    className: typeof config['tokenizer_class'] === 'string' ? config['tokenizer_class'].replace(/Fast$/, '') : '',
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
    inputNames: Array.isArray(names) ? names.map(String) : ['input_ids', 'token_type_ids', 'attention_mask'],
    padTypeId: 0,
    cleanUpSpaces: config['clean_up_tokenization_spaces'] === true,
    warnings: [],
  };
}

function contentOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = typeof value === 'object' && value !== null ? (value as JsonObject)['content'] : undefined;
  return typeof content === 'string' ? content : undefined;
}
