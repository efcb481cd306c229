import { ModelkeepError, type DeriveTensor, type VersionFiles } from '../../core/index.js';
import { adaptCheckpoint, type Adapted } from '../adapter/adapt.js';
import { hasAdapter, readAdapter, type Adapter } from '../adapter/adapter.js';
import { readJson } from '../read-json.js';
import { readTensors, type PlacedTensor } from './checkpoint.js';
import type { ModelConfig } from './config.js';
import { configOf, familyOf, type KnownFamily } from './families.js';
import type { Family } from './family.js';
import type { Weights } from './head-choice.js';
import { TensorNames } from './tensor-names.js';

/** The tensors of a version by the names of its family: those of its checkpoint, changed by its adapter if it has one. */
export interface ReadCheckpoint extends KnownFamily {
  readonly config: ModelConfig;
  readonly adapted: Adapted;
}

/**
 * Reads the configuration of a Hugging Face directory and the headers of its weights.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a family or an option that is not supported; `INVALID_ARTIFACT` for
 * files that are damaged
 */
export async function readNamed(files: VersionFiles, derive?: DeriveTensor): Promise<ReadCheckpoint> {
  if (files.size('config.json') === undefined) {
    throw new ModelkeepError('INVALID_ARTIFACT', 'The model has weights but no config.json. Save the model again');
  }
  const adapter = hasAdapter(files) ? await readAdapter(files) : undefined;
  const read = await readJson(files, 'config.json');
  const fields = adapter?.leavesDecoder === true ? { ...read, tie_word_embeddings: false } : read;
  const stored = await readTensors(files);
  const known = familyOf(fields, stored.keys());
  const { names } = known.family;
  const config = configOf(known, fields);
  checkHeads(config);
  known.family.check(config);
  const tensors = withWords(new TensorNames(stored.keys(), names).all(stored), known.family, read);
  // An adapter is saved of a model as transformers loads it, whatever its base's file calls the tensors.
  const naming = new TensorNames([], names);
  const none = { files, tensors, touched: new Set<string>(), formerHeads: new Set<string>() };
  const base = { naming, names, isTied: read['tie_word_embeddings'] !== false };
  const adapted = adapter === undefined ? none : await adaptCheckpoint(adapter, files, tensors, base, derive);
  if (adapter !== undefined) checkPooler(adapter, known.family, adapted);
  return { ...known, config, adapted };
}

/** A pooler that neither the base nor the adapter has was made up when the adapter was trained. */
function checkPooler({ config: { head } }: Adapter, { names, heads, className }: Family, { tensors }: Adapted): void {
  const wanted = head === 'ForSequenceClassification' && heads[head]?.pools === true;
  const pooler = `${names.prefix}${names.pooler ?? ''}.weight`;
  if (!wanted || tensors.has(pooler)) return;
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `The adapter is of ${className}${head}, which reads "${pooler}": neither the base nor the adapter has it, so it was made ` +
      'up at random for each training. Train with modules_to_save=["pooler"], or over a base with a pooler, and save again',
  );
}

/** Where the words are tied to the decoder, a file may hold either of them. */
function withWords(
  tensors: ReadonlyMap<string, PlacedTensor>,
  { names }: Family,
  fields: Readonly<Record<string, unknown>>,
): ReadonlyMap<string, PlacedTensor> {
  const words = names.prefix + names.words;
  const decoder = tensors.get(`${names.decoder}.weight`);
  if (tensors.has(words) || decoder === undefined || fields['tie_word_embeddings'] === false) return tensors;
  return new Map([...tensors, [words, decoder]]);
}

function checkHeads(config: ModelConfig): void {
  // DistilBERT has its own names for both.
  const hidden = config.raw('dim') ?? config.raw('hidden_size');
  const heads = config.raw('n_heads') ?? config.raw('num_attention_heads');
  if (typeof hidden !== 'number' || typeof heads !== 'number' || hidden % heads === 0) return;
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `config.json: hidden_size ${hidden} is no multiple of num_attention_heads ${heads}`,
  );
}

/** The tensors and the configuration that the heads are found by. */
export function weightsOf({ family, config, adapted }: ReadCheckpoint): Weights {
  return { family, config, has: (name) => adapted.tensors.has(name) };
}
