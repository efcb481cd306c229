/**
 * serving/: the inference service that knows no protocol: which version answers, a bounded queue for each, batches that
 * form by themselves, deadlines and cancellation.
 */
export type { AnswerCacheCounts, CacheOutcome } from './answer-cache.js';
export { Shadow, type Asked, type ShadowOptions, type ShadowPlace, type ShadowReport } from './shadow.js';
export { chooseRecord, MAX_KEY_LENGTH, pointOfKey } from './traffic.js';
export type { RequestTiming, RunLimits, TensorWork, TextWork } from './queue.js';
export type { RunReport, SchedulerLimits } from './scheduler.js';
export { ModelRepository, type IndexEntry, type ModelRepositoryOptions, type RepositoryState } from './repository.js';
export type {
  Freshness,
  ModelDescription,
  Prediction,
  RequestOptions,
  RequestReport,
  TensorPrediction,
} from './request.js';
export { InferenceService, type InferenceServiceEvents, type InferenceServiceOptions } from './service.js';
export type { FollowedStatus, ServiceStatus } from './status.js';
export { traceRequests } from './tracing.js';
