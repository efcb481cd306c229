import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { planCheckpoint } from './graphs/plan-checkpoint.js';
import { isCheckpoint } from './graphs/servable.js';
import { planStatic } from './graphs/static.js';
import { onnxModelPath } from './onnx/model-path.js';
import { planOnnx } from './onnx/plan-onnx.js';
import type { PlanOptions, SessionPlan } from './session-plan.js';
import { WEIGHTS_FILE } from './shards.js';
import { readStaticModel } from './static-embeddings.js';

/**
 * Says how onnxruntime is to load a version: a Hugging Face directory's graph is authored, an ONNX file's is rewritten,
 * so that in both the large weights are mapped where they lie.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for what cannot be served, `INVALID_ARTIFACT` for what is damaged
 */
export async function planSession(files: VersionFiles, options: PlanOptions = {}): Promise<SessionPlan> {
  if (isCheckpoint(files)) {
    const tables = await readStaticModel(files);
    return tables === undefined ? planCheckpoint(files, options) : planStatic(files, tables, options);
  }
  const model = onnxModelPath(files.paths);
  const { precision = 'fp32' } = options;
  if (model !== undefined && precision !== 'fp32') {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${model} cannot be served in ${precision}: that is made from checkpoints (config.json and ${WEIGHTS_FILE})`,
    );
  }
  if (model !== undefined) return planOnnx(files, model, options.onCustomOperator);
  throw new ModelkeepError(
    'UNSUPPORTED_FORMAT',
    `The version has neither config.json with ${WEIGHTS_FILE} nor one .onnx file, so it has no graph to run`,
  );
}
