import { ModelkeepError, partsOfPrecision, type TensorInfo, type VersionFiles } from '../../core/index.js';
import { adaptCheckpoint, hasAdapter, type Adapted } from '../adapter/adapt.js';
import { ModelWriter } from '../onnx/model-writer.js';
import { readJson } from '../read-json.js';
import { WORD_ROWS, type PlanOptions, type SessionPlan } from '../session-plan.js';
import { albert } from './albert.js';
import { bert } from './bert.js';
import { camembert } from './camembert.js';
import { Checkpoint, readCheckpoint } from './checkpoint.js';
import { ModelConfig } from './config.js';
import { debertaV2 } from './deberta-v2.js';
import { distilbert } from './distilbert.js';
import { electra } from './electra.js';
import type { Family, Head, HeadKind } from './family.js';
import { FILLING } from './frame.js';
import { modernbert } from './modernbert.js';
import { mpnet } from './mpnet.js';
import { Quantizer } from './quantizer.js';
import { roberta } from './roberta.js';
import { xlmRoberta } from './xlm-roberta.js';

/** Families by `model_type` of config.json: those whose graphs were compared with the reference implementation. */
const FAMILIES: Readonly<Record<string, Family>> = {
  albert,
  bert,
  camembert,
  'deberta-v2': debertaV2,
  distilbert,
  electra,
  modernbert,
  mpnet,
  roberta,
  'xlm-roberta': xlmRoberta,
};

/** Tensors that checkpoints may hold and no graph needs: buffers, and what training kept beside the head. */
const HARMLESS = [
  /(^|\.)embeddings\.(position_ids|token_type_ids)$/,
  // Tied to the word embeddings and to the bias beside them.
  /^(cls\.predictions|lm_head|predictions)\.decoder\.(weight|bias)$/,
  /^(generator_lm_head|vocab_projector|decoder)\.weight$/,
  /^cls\.seq_relationship\.(weight|bias)$/,
  // Heads on tokens do not use the pooler, which older checkpoints hold all the same.
  /(^|\.)pooler\.(dense\.)?(weight|bias)$/,
];

function unsupported(what: string, supported: readonly string[]): ModelkeepError {
  return new ModelkeepError('UNSUPPORTED_FORMAT', `${what} is not supported; supported: ${supported.join(', ')}`);
}

function familyOf(config: ModelConfig): Family {
  const type = config.raw('model_type');
  const family = typeof type === 'string' && Object.hasOwn(FAMILIES, type) ? FAMILIES[type] : undefined;
  const names = Object.keys(FAMILIES);
  if (family === undefined) throw unsupported(`config.json: model_type ${JSON.stringify(type)}`, names);
  if (config.raw('auto_map') !== undefined) throw unsupported('config.json: auto_map (custom code)', names);
  // DistilBERT has its own names for both.
  const hidden = config.raw('hidden_size') ?? config.raw('dim');
  const heads = config.raw('num_attention_heads') ?? config.raw('n_heads');
  if (typeof hidden === 'number' && typeof heads === 'number' && hidden % heads !== 0) {
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `config.json: hidden_size ${hidden} is no multiple of num_attention_heads ${heads}`,
    );
  }
  family.check(config);
  return family;
}

/** The kind of head that config.json names, and what makes it. */
function headOf(config: ModelConfig, { className, heads }: Family): { readonly kind: string; readonly head: Head } {
  const named = config.raw('architectures');
  const architecture: unknown = Array.isArray(named) ? named[0] : undefined;
  const kind = typeof architecture === 'string' ? architecture.slice(className.length) : '';
  const supported = Object.keys(heads).map((head) => className + head);
  const head = Object.hasOwn(heads, kind) ? heads[kind as HeadKind] : undefined;
  if (head === undefined || architecture !== className + kind) {
    throw unsupported(`config.json: architecture ${JSON.stringify(architecture)}`, supported);
  }
  return { kind, head };
}

function isHarmless(name: string): boolean {
  return HARMLESS.some((pattern) => pattern.test(name));
}

/** The tensors of a version: those of its checkpoint, changed by its adapter if it has one. */
async function adaptedBy(
  files: VersionFiles,
  tensors: Adapted['tensors'],
  { prefix }: Family,
  { derive }: PlanOptions,
): Promise<Adapted> {
  if (hasAdapter(files)) return adaptCheckpoint(files, tensors, prefix, derive);
  return { files, tensors, touched: new Set(), formerHeads: new Set() };
}

function quantizerOf(writer: ModelWriter, options: PlanOptions): Quantizer | undefined {
  const { precision = 'fp32', weightBits: bits = 8, derive } = options;
  const { arithmetic, embeddings } = partsOfPrecision(precision);
  if (arithmetic === 'fp32') return undefined;
  if (derive !== undefined) return new Quantizer(writer, { arithmetic, embeddings, bits, derive });
  throw new ModelkeepError('INTERNAL', `Precision ${precision} needs a place for quantized tensors`);
}

/**
 * Authors the graph of a Hugging Face directory from its config.json and the headers of its weights.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a family, head or option that is not supported, with the list of
 * those that are; `INVALID_ARTIFACT` if config.json and the tensors do not agree; what making quantized tensors says
 */
export async function planCheckpoint(files: VersionFiles, options: PlanOptions = {}): Promise<SessionPlan> {
  const config = new ModelConfig(await readJson(files, 'config.json'));
  const family = familyOf(config);
  const { kind, head } = headOf(config, family);
  const writer = new ModelWriter();
  const { tensors, files: read, ...adapted } = await adaptedBy(files, await readCheckpoint(files), family, options);
  const { prefix } = family;
  const quantizer = quantizerOf(writer, options);
  // The decoder of a masked language model computes with every row of the table, so the graph has it anyway.
  const wordsApart = kind === 'ForMaskedLM' ? Number.POSITIVE_INFINITY : options.wordsApart;
  const checkpoint = new Checkpoint(writer, read, tensors, { prefix, config, quantizer, wordsApart });
  const outputs = head(checkpoint, family.encode(checkpoint, config));
  const leftOut = await checkpoint.finish(
    (name) => !adapted.touched.has(name) && (adapted.formerHeads.has(name) || isHarmless(name)),
  );
  const names = ['input_ids', 'attention_mask', ...(family.hasTokenTypes(config) ? ['token_type_ids'] : [])];
  const inputs = names.map((name): TensorInfo => ({ name, type: 'int64', dims: [-1, -1] }));
  const { folder, mapped, words } = checkpoint;
  const derived = quantizer?.derived ?? [];
  const replaced = [...(quantizer?.sources ?? [])].filter((digest) => !mapped.has(digest));
  const rows = words === undefined ? [] : [{ name: WORD_ROWS, type: 'float32', dims: [-1, words.columns] } as const];
  const graph = writer.finish(inputs, outputs, rows);
  const facts = { family: String(config.raw('model_type')), head: kind, leftOut };
  const plan = { graph, inputs, outputs, facts, derived, replaced, filling: FILLING, ...(words && { words }) };
  return folder === undefined ? plan : { ...plan, externalDataFolder: folder };
}
