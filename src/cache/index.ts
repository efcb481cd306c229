/**
 * cache/: the node's disk cache. Segments lie in one flat folder, named by digest, verified, and shared by all
 * processes of the machine; onnxruntime maps them from there.
 */
export { CompiledCache, type Compile, type CompiledCacheOptions, type CompiledFile } from './compiled-cache.js';
export { DutyCycle, type DutyCycleOptions } from './duty-cycle.js';
export { DiskBudget, type Kept, type ListKept } from './disk-budget.js';
export { DerivedTensors, type TensorsKey } from './derived-tensors.js';
export { cachedSegment } from './cached-segment.js';
export { lockOnMachine, type MachineLock } from './machine-lock.js';
export { SegmentCache, type PullOptions, type PullResult, type SegmentCacheOptions } from './segment-cache.js';
