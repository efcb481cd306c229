import { dirname } from 'node:path';
import { DerivedTensors } from '../../cache/index.js';
import { digestOf, partsOfPrecision, type Digest, type Manifest, type Precision } from '../../core/index.js';
import { hasAdapter, openSegmentFiles, planSession, type SessionPlan, type WeightBits } from '../../formats/index.js';

/**
 * Table of words from which it is read row by row, in bytes. A smaller one is soon in memory as a whole, but once for all
 * runners, and costs less there than what reading it apart keeps in each.
 */
const WORDS_APART_BYTES = 8 * 1024 * 1024;

/** In which precision a checkpoint is to be run, other than as it was trained. */
export interface QuantizedForm {
  readonly precision: Exclude<Precision, 'fp32'>;
  readonly weightBits: WeightBits;
}

/** A version on this machine and the form to run it in. */
export interface VersionForm {
  readonly manifest: Manifest;
  /** Absolute folder of the version's verified segments, in the node's cache. */
  readonly segmentsFolder: string;
  /** Absent: as it was trained. */
  readonly quantized?: QuantizedForm;
}

/**
 * The plan of a version in a form; large tables of words are left to `WordRows`. What its adapter merges, and what is
 * quantized, is made where it is missing, and kept beside the segments.
 *
 * @throws ModelkeepError as `planSession`
 */
export async function planForm({ manifest, segmentsFolder, quantized }: VersionForm): Promise<SessionPlan> {
  const files = openSegmentFiles(manifest, segmentsFolder);
  const options = { task: manifest.task, wordsApart: WORDS_APART_BYTES };
  if (quantized === undefined && !hasAdapter(files)) return planSession(files, options);
  const { derive } = await DerivedTensors.open(dirname(segmentsFolder));
  if (quantized === undefined) return planSession(files, { ...options, derive });
  const { precision, weightBits } = quantized;
  return planSession(files, { ...options, precision, weightBits, derive });
}

/** What a compiled form is kept under: forms of one version in different precisions are different things. */
export function formKey(version: Digest, quantized?: Pick<QuantizedForm, 'precision' | 'weightBits'>): Digest {
  if (quantized === undefined) return version;
  return digestOf(`${version} ${quantized.precision} ${quantized.weightBits} bits`);
}

/**
 * True for forms whose weights the runtime packs for itself in each process. MatMulNBits without it is slower than
 * fp32, and what it packed cannot be saved and mapped; everything else is mapped where it lies.
 */
export function packsForItself(quantized: QuantizedForm | undefined): boolean {
  return quantized !== undefined && partsOfPrecision(quantized.precision).arithmetic === 'int8-weights';
}
