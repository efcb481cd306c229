import { dirname } from 'node:path';
import { DerivedTensors } from '../../cache/index.js';
import type { Manifest } from '../../core/index.js';
import { hasAdapter, openSegmentFiles, planSession, type SessionPlan } from '../../formats/index.js';

/**
 * The plan of a version on this machine. What its adapter merges is made where it is missing, and kept beside the segments.
 *
 * @param segmentsFolder absolute folder of the version's verified segments, in the node's cache
 * @throws ModelkeepError as `planSession`
 */
export async function planLocal(manifest: Manifest, segmentsFolder: string): Promise<SessionPlan> {
  const files = openSegmentFiles(manifest, segmentsFolder);
  if (!hasAdapter(files)) return planSession(files);
  const { derive } = await DerivedTensors.open(dirname(segmentsFolder));
  return planSession(files, { derive });
}
