import { ModelkeepError, type VersionFiles } from '../core/index.js';
import { planCheckpoint } from './graphs/plan-checkpoint.js';
import type { SessionPlan } from './session-plan.js';

/**
 * Says how onnxruntime is to load a version: a Hugging Face directory's graph is authored, an ONNX file's is rewritten,
 * so that in both the large weights are mapped where they lie.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for what cannot be served, `INVALID_ARTIFACT` for what is damaged
 */
export async function planSession(files: VersionFiles): Promise<SessionPlan> {
  if (files.size('config.json') !== undefined) return planCheckpoint(files);
  throw new ModelkeepError('UNSUPPORTED_FORMAT', 'The version has neither config.json nor an .onnx file');
}
