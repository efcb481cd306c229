import { z } from 'zod';
import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { resolvedConfig } from '../formats/index.js';
import { readJsonObject } from './json-file.js';

const ConfigSchema = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  model_type: z.string().nullish(),
  id2label: z.record(z.string(), z.union([z.string(), z.number()])).nullish(),
  label2id: z.record(z.string(), z.unknown()).nullish(),
  num_labels: z.number().int().positive().nullish(),
  problem_type: z.string().nullish(),
  function_to_apply: z.string().nullish(),
  max_position_embeddings: z.number().int().nullish(),
  pad_token_id: z.number().int().nullish(),
  tokenizer_class: z.string().nullish(),
  vocab_size: z.number().nullish(),
});

/** A label's name, which people also write as a number. */
export type Label = string | number;

/** What the tasks need of `config.json`. */
export interface ModelConfig {
  /** Class names such as `BertForSequenceClassification`; empty if the file has none. */
  readonly architectures: readonly string[];
  /** Such as `bert`; empty if the file has none. */
  readonly modelType: string;
  /** Names of the labels by their id; absent if the file has none. */
  readonly labels?: readonly Label[];
  /** Ids of the labels, as the file lists them; absent if it does not. */
  readonly label2id?: Readonly<Record<string, unknown>> | undefined;
  /** `single_label_classification`, `multi_label_classification` or `regression`, where the file says so. */
  readonly problemType?: string;
  /** Most tokens that the model's positions allow, with special tokens; absent if the file does not say. */
  readonly maxTokens?: number;
  /** Class of the tokenizer, such as `BertJapaneseTokenizer`; absent if the file does not say. */
  readonly tokenizerClass?: string | undefined;
  /** Rows of the embedding table; absent if the file does not say. */
  readonly vocabularySize?: number | undefined;
  /** The place of the first token, where it is not 0. */
  readonly firstPosition?: number;
}

/** Families whose positions start behind the padding id, so that they hold `pad_token_id + 1` tokens less. */
const POSITIONS_AFTER_PADDING = new Set([
  'roberta',
  'xlm-roberta',
  'xlm-roberta-xl',
  'camembert',
  'longformer',
  'mpnet',
  'roberta-prelayernorm',
  'xmod',
  'data2vec-text',
  'ibert',
]);

/** Families whose positions are relative: `max_position_embeddings` is no limit of the length. */
const RELATIVE_POSITIONS = new Set(['xlnet', 't5', 'transfo-xl']);

type RawConfig = z.infer<typeof ConfigSchema>;

function labelsOf(raw: RawConfig): readonly Label[] | undefined {
  if (raw.id2label) {
    const labels: Label[] = [];
    for (const [id, label] of Object.entries(raw.id2label)) labels[Number(id)] = label;
    return Array.from(labels, (label, id) => label ?? `LABEL_${id}`);
  }
  return raw.num_labels ? Array.from({ length: raw.num_labels }, (_, id) => `LABEL_${id}`) : undefined;
}

function maxTokensOf(raw: RawConfig, type: string): number | undefined {
  const positions = raw.max_position_embeddings;
  if (!positions || positions < 1 || RELATIVE_POSITIONS.has(type)) return undefined;
  return positions - firstPositionOf(raw, type);
}

function firstPositionOf(raw: RawConfig, type: string): number {
  return POSITIONS_AFTER_PADDING.has(type) ? (raw.pad_token_id ?? 1) + 1 : 0;
}

/**
 * Reads `config.json`; undefined if there is none.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` if it is damaged
 */
export async function readModelConfig(files: VersionFiles): Promise<ModelConfig | undefined> {
  const json = await readJsonObject(files, 'config.json');
  if (json === undefined) return undefined;
  const { type, fields } = await resolvedConfig(files, json);
  const parsed = ConfigSchema.safeParse(fields);
  if (!parsed.success) {
    throw new ModelkeepError('INVALID_ARTIFACT', `config.json: ${z.prettifyError(parsed.error)}; save the model again`);
  }
  const raw = parsed.data;
  const labels = labelsOf(raw);
  const modelType = type ?? raw.model_type ?? '';
  const maxTokens = maxTokensOf(raw, modelType);
  const first = firstPositionOf(raw, modelType);
  return {
    architectures: raw.architectures ?? [],
    modelType,
    ...(labels && { labels }),
    label2id: raw.label2id ?? undefined,
    ...(raw.problem_type ? { problemType: raw.problem_type } : {}),
    ...(maxTokens !== undefined && { maxTokens }),
    tokenizerClass: raw.tokenizer_class ?? undefined,
    vocabularySize: raw.vocab_size ?? undefined,
    ...(first > 0 && { firstPosition: first }),
  };
}

/** The place of the first token, as a graph wants it that is fed places. @throws ModelkeepError as {@link readModelConfig} */
export async function firstPosition(files: VersionFiles): Promise<number> {
  return (await readModelConfig(files))?.firstPosition ?? 0;
}
