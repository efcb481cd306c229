import type { VersionFiles } from '../../core/index.js';
import { readJson } from '../read-json.js';
import { isTableOfWords, readAdapter, type Adapter } from './adapter.js';
import type { AdapterTensors } from './adapter-tensors.js';
import type { Fields } from './settings.js';

/** The config.json of a base as its adapter needs it. */
export interface AdaptedConfig {
  /** Undefined if it is right as it is. */
  readonly config?: Fields | undefined;
  /** What was changed that its owner may not expect, as sentences. */
  readonly notes: readonly string[];
}

/** Any class name of transformers, taken apart: family and head. */
const CLASS_NAME = /^(?<family>\w+?)(?:For[A-Z]\w*|Model)$/;

/** The class that was trained, where the base has another. */
function classOf(config: Fields, head: string | undefined): Fields {
  const [architecture] = Array.isArray(config['architectures']) ? (config['architectures'] as readonly unknown[]) : [];
  const family = typeof architecture === 'string' ? CLASS_NAME.exec(architecture)?.groups?.['family'] : undefined;
  if (head === undefined || family === undefined || architecture === family + head) return {};
  return { architectures: [family + head] };
}

/** The last layer of the heads that give labels. */
const LABELS = /(?:^|\.)(?:classifier\.out_proj|classifier|score)\.weight$/;
/** Heads that give labels. */
const LABELLED: ReadonlySet<string | undefined> = new Set(['ForSequenceClassification', 'ForTokenClassification']);

/** Rows of a matrix that takes the place of the base's. */
function rowsOf({ replacements }: AdapterTensors, isWanted: (name: string) => boolean): number | undefined {
  const found = [...replacements].find(([name, { tensor }]) => isWanted(name) && tensor.shape.length === 2);
  return found?.[1].tensor.shape[0];
}

function labelCount(config: Fields): number {
  const { id2label: labels, num_labels: count } = config;
  if (typeof labels === 'object' && labels !== null) return Object.keys(labels).length;
  return typeof count === 'number' ? count : 2;
}

/** More labels are no labels of a classifier. */
const MOST_LABELS = 100_000;

/** The labels of the adapter's head, where the base has another number of them: transformers calls them by their place. */
function labelsOf(config: Fields, head: string | undefined, tensors: AdapterTensors): Fields {
  if (!LABELLED.has(head)) return {};
  const count = rowsOf(tensors, (name) => LABELS.test(name));
  if (count === undefined || count === 0 || count > MOST_LABELS || count === labelCount(config)) return {};
  const names = Array.from({ length: count }, (_, place) => `LABEL_${place}`);
  return {
    id2label: Object.fromEntries(names.map((name, place) => [String(place), name])),
    label2id: Object.fromEntries(names.map((name, place) => [name, place])),
    num_labels: undefined,
  };
}

/** The number of words, where the adapter has the whole table with another one. */
function wordsOf(config: Fields, tensors: AdapterTensors): Fields {
  const words = rowsOf(tensors, isTableOfWords);
  return words === undefined || words === config['vocab_size'] ? {} : { vocab_size: words };
}

/**
 * The config.json of a base model as its adapter needs it: with the head that the adapter was trained for, which the
 * base may lack, that head's number of labels, and the number of words where the adapter has a larger table.
 *
 * @param files those of the adapter and of its base
 * @param isOwn true if config.json is the adapter's own: it says labels and words itself
 * @throws ModelkeepError as `readAdapter`; `INVALID_ARTIFACT` for a config.json that is damaged
 */
export async function adaptedConfig(files: VersionFiles, isOwn: boolean): Promise<AdaptedConfig> {
  const adapter = await readAdapter(files);
  const config = await readJson(files, 'config.json');
  const { head } = adapter.config;
  const labels = isOwn ? {} : labelsOf(config, head, adapter.tensors);
  const changes = { ...classOf(config, head), ...labels, ...(isOwn ? {} : wordsOf(config, adapter.tensors)) };
  const adapted = { ...config, ...changes };
  const notes = [...notesOnLabels(config, labels), ...notesOnPeft(adapted, adapter)];
  return Object.keys(changes).length === 0 ? { notes } : { config: adapted, notes };
}

function notesOnLabels(config: Fields, labels: Fields): readonly string[] {
  const count = Object.keys(labels['id2label'] ?? {}).length;
  if (count === 0) return [];
  return [
    `The head of the adapter gives ${count} labels, and the base names ${labelCount(config)}: they are LABEL_0 to ` +
      `LABEL_${count - 1}. To name them, put a config.json with id2label beside the adapter (model.config.save_pretrained)`,
  ];
}

/** Where the classes of peft answer otherwise than the model that they adapt, or than the one that they merge. */
function notesOnPeft(config: Fields, { config: { head }, tensors, leavesDecoder }: Adapter): readonly string[] {
  const { architectures, type_vocab_size: types, tie_word_embeddings: tied } = config;
  const [named] = Array.isArray(architectures) ? (architectures as readonly unknown[]) : [];
  const fillsMasks = typeof named === 'string' && named.endsWith('ForMaskedLM') && tied !== false;
  const hasTypes = typeof types === 'number' && types > 1;
  return [
    ...(head === 'ForQuestionAnswering' && hasTypes
      ? ['It is asked with token types, as the base is; PeftModelForQuestionAnswering does not hand token_type_ids on']
      : []),
    ...(fillsMasks && leavesDecoder
      ? [
          'The adapter changes the table of words or the decoder, which are tied in the base: the other stays as it was, as ' +
            'in training; merge_and_unload() changes both',
        ]
      : []),
    ...(fillsMasks && tensors.tokens.size > 0
      ? [
          'The decoder follows the trained rows and keeps its bias, as after merge_and_unload(); PeftModel leaves it out',
        ]
      : []),
  ];
}
