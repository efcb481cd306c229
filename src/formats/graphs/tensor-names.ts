import { ModelkeepError } from '../../core/index.js';
import type { PlacedTensor } from './checkpoint.js';
import type { FamilyNames } from './family.js';

/** What `torch.compile` and data-parallel training put into names. */
const COMPILED = '_orig_mod';
const PARALLEL = 'module.';
/** Stands before the names of tensors that lie beside the wrapped model: they are no part of it. */
const OUTSIDE = 'outside:';
/** Buffers that are no weights. */
const BUFFER = /(?:^|\.)(?:position_ids|token_type_ids|inv_freq)$/;

/**
 * Names of encoders inside of the classes of transformers, beside those of the families that are served: where one of
 * them stands before a tensor, the tensor is of another network, however its layers are called.
 */
const OTHER_ENCODERS =
  'bert roberta distilbert electra albert mpnet deberta ernie esm ' +
  'longformer nezha layoutlm layoutlmv2 layoutlmv3 data2vec_text ibert luke megatron_bert ' +
  'mobilebert mra nystromformer rembert roberta_prelayernorm roc_bert splinter squeezebert tapas ' +
  'visual_bert convbert camembert xlm_roberta xlm_roberta_xl xmod markuplm lilt yoso ' +
  'canine funnel';

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', message);
}

/** A name without what training put into it. */
export function trainedName(name: string): string {
  let plain = name.includes(COMPILED)
    ? name
        .split('.')
        .filter((part) => part !== COMPILED)
        .join('.')
    : name;
  while (plain.startsWith(PARALLEL)) plain = plain.slice(PARALLEL.length);
  return plain;
}

/** Early checkpoints have the layer norms' names that TensorFlow gave them. */
function modernName(name: string): string {
  const { norm, part } = /^(?<norm>.*norm)\.(?<part>gamma|beta)$/i.exec(name)?.groups ?? {};
  return norm === undefined ? name : `${norm}.${part?.toLowerCase() === 'gamma' ? 'weight' : 'bias'}`;
}

/** What stands before a name that ends with `ending`, by whole parts; undefined if it does not end so. */
export function before(name: string, ending: string): string | undefined {
  if (name === ending) return '';
  return name.endsWith(`.${ending}`) ? name.slice(0, -ending.length) : undefined;
}

/** Gives the tensors of a checkpoint the names that the family's classes have for them. */
export class TensorNames {
  readonly #names: FamilyNames;
  /** What stands before all names of the model, such as `model.`; empty for most. */
  readonly #wrapper: string;

  /**
   * @param names those of the file
   * @throws ModelkeepError `INVALID_ARTIFACT` for several encoders, or one of another family
   */
  constructor(names: Iterable<string>, family: FamilyNames) {
    this.#names = family;
    this.#wrapper = wrapperOf(names, family);
  }

  /** The name that the family's classes with a head have for a tensor. */
  of(name: string): string {
    const plain = modernName(trainedName(name));
    if (!plain.startsWith(this.#wrapper)) return OUTSIDE + plain;
    const own = plain.slice(this.#wrapper.length);
    const { prefix, roots } = this.#names;
    if (own.startsWith(prefix)) return own;
    return roots.includes(own.split('.', 1)[0] ?? '') ? prefix + own : own;
  }

  /** Tensors by these names. @throws ModelkeepError `INVALID_ARTIFACT` where two tensors are the same part */
  all(tensors: ReadonlyMap<string, PlacedTensor>): ReadonlyMap<string, PlacedTensor> {
    const named = new Map<string, PlacedTensor>();
    for (const [name, tensor] of tensors) {
      const own = this.of(name);
      const other = named.get(own);
      if (other !== undefined && !BUFFER.test(own)) {
        throw invalid(
          `Tensors "${other.name}" and "${tensor.name}" are the same part of the model. Save it again with one of them`,
        );
      }
      named.set(own, tensor);
    }
    return named;
  }
}

/** A tensor's name without the mark of one that lies beside the model. */
export function shownName(name: string): string {
  return name.startsWith(OUTSIDE) ? name.slice(OUTSIDE.length) : name;
}

/** True for buffers that no graph needs. */
export function isBuffer(name: string): boolean {
  return BUFFER.test(name);
}

function wrapperOf(names: Iterable<string>, { prefix, words }: FamilyNames): string {
  const found = new Set<string>();
  for (const name of names) {
    const start = before(trainedName(name), words);
    if (start === undefined) continue;
    const inner = before(start.slice(0, -1), prefix.slice(0, -1));
    found.add(inner ?? start);
  }
  // What transformers itself finds needs no wrapper; what lies beside it is judged by itself.
  if (found.size === 0 || found.has('')) return '';
  const [wrapper = '', second] = found;
  if (second !== undefined) {
    throw invalid(
      `The model has several encoders, "${wrapper}" and "${second}", so it is no model of one text. Publish one of them ` +
        'as a model of its own',
    );
  }
  const other = wrapper.split('.').find((part) => OTHER_ENCODERS.split(' ').includes(part));
  if (other === undefined) return wrapper;
  throw invalid(
    `The tensors are named "${wrapper}…", as those of another family than model_type of config.json, which has ` +
      `"${prefix}". Correct model_type, or save the model again`,
  );
}
