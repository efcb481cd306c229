/** What a version is made of: detection and checks at publish, cutting at tensor boundaries, and session plans. */
export { openDirectoryFiles, openSegmentFiles } from './version-files.js';
export { planSession } from './plan-session.js';
export type { SessionPlan } from './session-plan.js';
