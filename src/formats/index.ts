export * from './session-plan.js';
export declare function planSession(files: import('../core/index.js').VersionFiles): Promise<import('./session-plan.js').SessionPlan>;
export declare function openSegmentFiles(m: import('../core/index.js').Manifest, f: string): import('../core/index.js').VersionFiles;
