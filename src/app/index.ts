/**
 * app/: the composition root. `settings` is the one schema of all knobs, `modelkeep` is the node as a library, `open` builds its
 * object graph; this is what `import … from 'modelkeep'` gives.
 */
export * from '../core/index.js';
export {
  push,
  pull,
  show,
  type Pushed,
  type Pulled,
  type PushOptions,
  type PullOptions,
  type PushPhase,
  type Shown,
  findEvaluation,
  getAlias,
  history,
  lineage,
  type Lineage,
  type LineageNode,
  promote,
  removeAlias,
  rollback,
  setAliasPolicy,
  setAliasTraffic,
  CHANGE_RULES,
  describeUnderstood,
  getPublishing,
  setPublishing,
  storedUnderstanding,
  type ChangeRule,
  type PublishingPolicy,
  type Understood,
  moveChanges,
  weightChanges,
  type EvaluationSet,
  type EvidenceOptions,
  type TextOptions,
  type MoveOptions,
  type PolicyChange,
  type GateRequest,
  type Promoted,
  type PromoteOptions,
  type RollbackOptions,
  type RunGates,
  type WeightChanges,
} from '../registry/index.js';
export {
  collectGarbage,
  DEFAULT_GRACE_MS,
  MIN_GRACE_MS,
  copy,
  diff,
  exportOci,
  importOci,
  setRetention,
  storeSource,
  verify,
  type Amount,
  type Collected,
  type GcOptions,
  type ChangedTensor,
  type Copied,
  type CopiedVersion,
  type CopyOptions,
  type DiffOptions,
  type FileDiff,
  type Exported,
  type ExportOptions,
  type Finding,
  type FindingKind,
  type FindingPlace,
  type GcProgress,
  type ImportOptions,
  type SegmentSource,
  type TensorDescription,
  type TokenizerDiff,
  type ValueChange,
  type VersionDiff,
  type Verified,
  type VerifyOptions,
  type SetRetentionOptions,
} from '../registry/index.js';
export {
  listSignatures,
  newSigningKey,
  readPrivateKey,
  readTrustedKeys,
  removeSignature,
  sign,
  verifySignatures,
  type Envelope,
  type Signed,
  type SignatureProof,
  type SignedFile,
  type SignOptions,
  type StoredSignature,
  type TrustedKey,
} from '../registry/index.js';
export {
  addWebhook,
  listWebhooks,
  removeWebhook,
  testWebhook,
  type AddedWebhook,
  type Attempt,
  type NewWebhook,
  type Webhook,
  type WebhookState,
} from '../webhooks/index.js';
export { Registry, type RegistryNode } from './registry.js';
export { readKeyFiles } from './signature-policy.js';
export { POOLING_NAMES, type PickleReport, type PoolingName } from '../formats/index.js';
export { openStore } from '../stores/index.js';
export type * from '../tasks/index.js';
export {
  answerCells,
  answerColumns,
  inputOfRow,
  isTaskName,
  rowFields,
  rowOf,
  TASK_NAMES,
  TASKS,
} from '../tasks/index.js';
export { addKey, listKeys, removeKey, SCOPES, type AddedKey, type KeyDescription } from '../access/index.js';
export { ACCESS_SETTINGS } from './access-settings.js';
export { comparePrecision, openGates, openModelkeep, serve } from './on-demand.js';
export type { OpenGatesOptions } from './gates.js';
export type { ParityPolicy } from '../residency/index.js';
export { formatBytes, parseBytes } from './bytes.js';
export type { ComparePrecisionOptions, PrecisionComparison } from './compare-precision.js';
export { compareAnswers, compareVersions, type ChangedAnswer, type ComparedAnswers } from './compare-answers.js';
export { compareEvaluations, evaluate, type Comparison, type EvaluateOptions, type Evaluation } from './evaluate.js';
export {
  Model,
  type InputOf,
  type ManyAnswer,
  type ManyRequest,
  type OutputOf,
  type ParametersOf,
  type PredictOptions,
} from './model.js';
export type { ManyOptions } from './predict-many.js';
export { Modelkeep, type LoadOptions, type NodeParts } from './modelkeep.js';
export type { OpenOptions } from './open.js';
export {
  environmentName,
  flagName,
  resolveSettings,
  type ResolvedSettings,
  type SettingOrigin,
  type SettingSources,
} from './resolve-settings.js';
export { SETTINGS, type SettingName, type Settings } from './settings.js';
export { splitNamed } from './other-stores.js';
export { cacheSource } from './verify-sources.js';
export type { RunningServer, ServeOptions } from './serve.js';
export { untilAborted } from './until-aborted.js';
