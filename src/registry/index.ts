/**
 * registry/: what is done with versions in a store: publish, read back, show, promote, roll back. Over any store; knows formats. No
 * model is run here; an ONNX graph is opened once by the runtime, in a process of its own, before it is published.
 */
export {
  collectGarbage,
  DEFAULT_GRACE_MS,
  MIN_GRACE_MS,
  type Amount,
  type Collected,
  type GcOptions,
  type GcProgress,
} from './gc.js';
export { copy, type Copied, type CopiedVersion, type CopyOptions } from './copy.js';
export { exportOci, exportOciStream, type Exported, type ExportOptions, type ExportStream } from './oci/export.js';
export { importOci, importOciStream, type ImportOptions } from './oci/import.js';
export {
  diff,
  type ChangedTensor,
  type DiffOptions,
  type FileDiff,
  type TensorDescription,
  type VersionDiff,
} from './diff.js';
export type { TokenizerDiff, ValueChange } from './diff-values.js';
export type { Finding, FindingKind, FindingPlace } from './finding.js';
export { storeSource, type SegmentSource } from './repair.js';
export { verify, type Verified, type VerifyOptions } from './verify.js';
export {
  CHANGE_RULES,
  getPublishing,
  guardNewest,
  setPublishing,
  type ChangeRule,
  type PublishingPolicy,
} from './publish-guard.js';
export { describeUnderstood, storedUnderstanding, type Understood } from './understood.js';
export { setRetention, type SetRetentionOptions } from './retention.js';
export { pull, type Pulled, type PullOptions } from './pull.js';
export { POOLING_NAMES, type PoolingName } from '../formats/index.js';
export type { TextOptions } from './prepare-text.js';
export { push, type Pushed, type PushOptions, type PushPhase } from './push.js';
export { show, type HoldingNode, type Shown } from './show.js';
export { findEvaluation, readEvaluation, readGolden, type EvaluationSet, type EvidenceOptions } from './evidence.js';
export { history } from './history.js';
export { promote, type GateRequest, type Promoted, type PromoteOptions, type RunGates } from './promote.js';
export { moveChanges, weightChanges, type WeightChanges } from './weight-changes.js';
export { rollback, type RollbackOptions } from './rollback.js';
export {
  getAlias,
  removeAlias,
  setAliasPolicy,
  setAliasTraffic,
  type MoveOptions,
  type PolicyChange,
} from './aliases.js';
export { lineage, type Lineage, type LineageNode } from './lineage.js';
export {
  keyIdOf,
  newSigningKey,
  readPrivateKey,
  readTrustedKeys,
  type Envelope,
  type SignedFile,
  type TrustedKey,
} from './envelope.js';
export { UploadFolder, type UploadedFile } from './upload.js';
export {
  attachSignature,
  listSignatures,
  removeSignature,
  sign,
  verifySignatures,
  type Signed,
  type SignatureProof,
  type SignOptions,
  type StoredSignature,
} from './signatures.js';
