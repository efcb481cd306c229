/** tasks/ */
export * from './task.js';
export declare function detectTask(files: import('../core/index.js').VersionFiles): Promise<string|undefined>;
export declare function openTask(files: import('../core/index.js').VersionFiles, o: {task?: string}): Promise<import('./task.js').OpenTask>;
