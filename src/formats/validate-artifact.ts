import type { DeriveTensor, Format, VersionFiles } from '../core/index.js';
import { filesOf, type Artifact } from './artifact.js';
import { readRequirements } from './joblib/requirements.js';
import { onnxModelPath } from './onnx/model-path.js';
import { planSession } from './plan-session.js';
import type { PlanFacts, SessionPlan } from './session-plan.js';
import { checkTokenizer } from './tokenizer-check.js';

/** What {@link validateArtifact} found. */
export interface Validated {
  /** The ONNX graph that the runtime is to open once; absent for other formats, and where custom operators forbid it. */
  readonly graph?: { readonly path: string; readonly plan: SessionPlan };
  /** What was understood of a checkpoint; absent for other formats. */
  readonly facts?: PlanFacts | undefined;
  /** Outputs of the graph of a checkpoint; absent for other formats. */
  readonly outputs?: SessionPlan['outputs'] | undefined;
  /** What is odd about the model but does not forbid it, as sentences. */
  readonly warnings: readonly string[];
}

/** Options of {@link validateArtifact}. */
export interface ValidateOptions {
  /** Take ONNX files with operators that the runtime does not have. @defaultValue false */
  readonly allowCustomOperators?: boolean | undefined;
  /** See `PlanOptions`. */
  readonly derive?: DeriveTensor | undefined;
  /** See `PlanOptions`. */
  readonly task?: string | undefined;
}

/**
 * Checks at publish what would otherwise fail at the first request: everything that a session plan reads, and that the
 * tokenizer gives no ids beyond the embedding table. Pickled models are not opened, but the packages that they name are
 * checked.
 *
 * @throws ModelkeepError as `planSession`
 */
export async function validateArtifact(artifact: Artifact, options: ValidateOptions = {}): Promise<Validated> {
  return validateFiles(filesOf(artifact), artifact.format, options);
}

/** {@link validateArtifact} for files wherever they lie. @throws ModelkeepError as `planSession` */
export async function validateFiles(
  files: VersionFiles,
  format: Format,
  options: ValidateOptions = {},
): Promise<Validated> {
  if (format === 'joblib') {
    await readRequirements(files);
    return { warnings: [] };
  }
  const custom = new Set<string>();
  const note = ({ op, domain }: { readonly op: string; readonly domain: string }): void =>
    void custom.add(`${domain}:${op}`);
  const { allowCustomOperators, derive, task } = options;
  const onCustomOperator = allowCustomOperators === true ? note : undefined;
  const plan = await planSession(files, { task, derive, onCustomOperator, checkTies: true });
  const { facts } = plan;
  const warnings = [...(facts?.notes ?? [])];
  await checkTokenizer(files);
  if (custom.size > 0) {
    const names = [...custom].toSorted().join(', ');
    warnings.push(`It uses custom operators (${names}), so modelkeep keeps it but cannot serve it`);
    return { facts, warnings };
  }
  const path = format === 'onnx' ? onnxModelPath(files.paths) : undefined;
  return path === undefined ? { facts, outputs: plan.outputs, warnings } : { graph: { path, plan }, facts, warnings };
}
