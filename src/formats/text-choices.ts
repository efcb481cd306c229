import { EVIDENCE_FOLDER, ModelkeepError, type VersionFiles } from '../core/index.js';
import type { Activation } from './onnx/activations.js';
import { INPUT_ROLES, type InputRole } from './onnx/text-inputs.js';
import { objectOf, readJson } from './read-json.js';
import { decodeText, parseJson } from './text-file.js';

/**
 * The file of a version that says how its graph is to be asked with text, where that is not to be read from the model's
 * own files: what its publisher chose, and what a trial run at publish showed. It is part of the version, so that its
 * digest covers it.
 */
export const TEXT_FILE = `${EVIDENCE_FOLDER}/text.json`;

/** Ways in which the vectors of tokens become one vector, named as sentence-transformers names them. */
export const POOLING_NAMES = Object.freeze([
  'cls',
  'max',
  'mean',
  'mean_sqrt_len_tokens',
  'weightedmean',
  'lasttoken',
] as const);

/** One of {@link POOLING_NAMES}. */
export type PoolingName = (typeof POOLING_NAMES)[number];

/** Which sequences may share a run of the graph: those of equal lengths, or none but copies of the same. */
export type SharedRuns = 'equal-lengths' | 'alone';

/** Contents of {@link TEXT_FILE}; what is absent is decided by the model's own files. */
export interface TextChoices {
  /** What inputs are fed whose names do not say it. */
  readonly inputs?: Readonly<Record<string, InputRole>> | undefined;
  /** Names of the graph's outputs that the task reads; of question-answering the start and the end. */
  readonly outputs?: readonly string[] | undefined;
  /** What the output that a task reads as logits was put through, where the graph's last node does not say it. */
  readonly activation?: Activation | undefined;
  /** How the vectors of tokens become one vector. */
  readonly pooling?: PoolingName | undefined;
  /** Whether vectors get length 1. */
  readonly normalize?: boolean | undefined;
  /** Found by a trial run. Absent: all that fit */
  readonly shared?: SharedRuns | undefined;
  /**
   * A lone sequence is run beside a copy of itself, since the runtime computes one row in another order than several.
   * Found by a trial run.
   */
  readonly twice?: boolean | undefined;
  /** Most tokens that the graph takes, special ones included, where no other file says. */
  readonly maxTokens?: number | undefined;
}

const CHECKS: Readonly<Record<keyof TextChoices, (value: unknown) => boolean>> = {
  inputs: (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((role) => (INPUT_ROLES as readonly unknown[]).includes(role)),
  outputs: (value) =>
    Array.isArray(value) && value.length > 0 && value.length <= 2 && value.every((name) => typeof name === 'string'),
  activation: (value) => value === 'softmax' || value === 'sigmoid',
  pooling: (value) => (POOLING_NAMES as readonly unknown[]).includes(value),
  normalize: (value) => typeof value === 'boolean',
  shared: (value) => value === 'equal-lengths' || value === 'alone',
  twice: (value) => typeof value === 'boolean',
  maxTokens: (value) => Number.isSafeInteger(value) && (value as number) > 0,
};

/**
 * Reads {@link TEXT_FILE}; empty if the version has none.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` naming the key that cannot be
 */
export async function readTextChoices(files: VersionFiles): Promise<TextChoices> {
  if (files.size(TEXT_FILE) === undefined) return {};
  return checkTextChoices(await readJson(files, TEXT_FILE));
}

/** Reads the bytes of a {@link TEXT_FILE}. @throws ModelkeepError `INVALID_ARTIFACT` naming the key that cannot be */
export function parseTextChoices(bytes: Uint8Array): TextChoices {
  return checkTextChoices(objectOf(TEXT_FILE, parseJson(decodeText(bytes, TEXT_FILE), TEXT_FILE)));
}

/** @throws ModelkeepError `INVALID_ARTIFACT` naming the key that cannot be */
export function checkTextChoices(value: Readonly<Record<string, unknown>>): TextChoices {
  for (const [key, each] of Object.entries(value)) {
    if (Object.hasOwn(CHECKS, key) && CHECKS[key as keyof TextChoices](each)) continue;
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `${TEXT_FILE}: ${key} is ${JSON.stringify(each)}, which is no choice of that name. Publish the model's folder ` +
        'without this file and choose with options of push',
    );
  }
  return value;
}
