import { ModelkeepError } from '../../core/index.js';
import type { Family, HeadKind } from './family.js';
import { isBuffer, shownName } from './tensor-names.js';

/** What training keeps beside a model and no answer depends on: weights of a loss, by the names that people give them. */
const OF_TRAINING =
  /(?:^|[._])(?:loss|losses|loss_?fn|loss_?fct|loss_?func|criterion|criteria)(?:[._]|\d|$)|(?:^|\.)(?:class_?weights?|pos_?weight|label_?weights?|sample_?weights?|num_batches_tracked)$/i;

/** Tensors of a checkpoint that its graph does not read. */
export interface Leftovers {
  readonly family: Family;
  readonly kind: HeadKind;
  /** By the names of the family. */
  readonly unused: readonly string[];
  /** Tensors that must be read, whatever they are called. */
  readonly isNeeded?: (name: string) => boolean;
}

/**
 * Judges what a graph does not read. Left out is what cannot take part in the answers of a head: buffers, heads of other
 * kinds, and what belongs to a loss; beside a plain encoder, whatever is not inside of it. Anything else means that the
 * model computes more than the graph does.
 *
 * @returns names of the heads and losses that are left out
 * @throws ModelkeepError `INVALID_ARTIFACT` naming the tensors that may change the answers
 */
export function judgeLeftovers({ family, kind, unused, isNeeded }: Leftovers): readonly string[] {
  const { prefix, beside, unused: ofEncoder, pooler } = family.names;
  const inside = (name: string): boolean => name.startsWith(prefix);
  const isSilent = (name: string): boolean =>
    isBuffer(name) ||
    (inside(name) &&
      (ofEncoder?.test(name.slice(prefix.length)) === true ||
        // Heads on tokens do not use the pooler, which older checkpoints hold all the same.
        (pooler !== undefined && name.startsWith(`${prefix}${pooler}.`)))) ||
    // Tied to the table of words.
    /(?:^|\.)(?:decoder\.(?:weight|bias)|vocab_projector\.weight|generator_lm_head\.weight)$/.test(name);
  const isHarmless = (name: string): boolean => {
    if (isNeeded?.(name) === true) return false;
    if (isSilent(name)) return true;
    if (inside(name)) return false;
    return kind === 'Model' || beside.test(name) || OF_TRAINING.test(shownName(name));
  };
  const strange = unused.filter((name) => !isHarmless(name));
  if (strange.length === 0) return unused.filter((name) => !isSilent(name)).map(shownName);
  const shown = strange.slice(0, 5).map((name) => `"${shownName(name)}"`);
  const encoderToo = strange.some(inside);
  const next = encoderToo
    ? 'Check the sizes in config.json (num_hidden_layers) and save the model again'
    : 'If the vectors of its encoder are wanted, publish it with --task feature-extraction; else take the tensors out, or ' +
      'export the model as ONNX';
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `The model has ${strange.length} ${strange.length === 1 ? 'tensor' : 'tensors'} that ${family.className}${kind} does ` +
      `not use: ${shown.join(', ')}${strange.length > shown.length ? ' …' : ''}, so it computes something else. ${next}`,
  );
}

/**
 * Makes sure that a checkpoint of which no head is known is a plain encoder, before it is taken for one unasked.
 *
 * @param names of all tensors, by the names of the family
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` naming tensors of a head that is not known
 */
export function checkBeside({ names: { prefix, beside } }: Family, names: Iterable<string>): void {
  const strange = [...names].filter(
    (name) => !name.startsWith(prefix) && !beside.test(name) && !isBuffer(name) && !OF_TRAINING.test(shownName(name)),
  );
  if (strange.length === 0) return;
  const shown = strange.slice(0, 5).map((name) => `"${shownName(name)}"`);
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `The model has a head that modelkeep does not know: ${shown.join(', ')}. If the vectors of its encoder are wanted, ` +
      'publish it with --task feature-extraction or sentence-embeddings; else export the model as ONNX',
  );
}
