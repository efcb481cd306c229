import { canonicalReference } from '../residency/index.js';
import type { Modelkeep } from './modelkeep.js';
import type { Settings } from './settings.js';

/**
 * Loads what is to be there from the start. With `compile` it is compiled too, in the background, and so is what a
 * reference moves on to.
 *
 * @throws ModelkeepError what a reference says
 */
export async function preload(keep: Modelkeep, settings: Pick<Settings, 'pin' | 'preload' | 'compile'>): Promise<void> {
  for (const reference of settings.pin) await keep.pin(reference);
  for (const reference of settings.preload) await keep.load(reference);
  if (!settings.compile) return;
  const { follower, residency } = keep.parts;
  const wanted = new Set([...settings.pin, ...settings.preload].map(canonicalReference));
  follower.on('swapped', (reference, _from, to) => {
    if (wanted.has(reference)) residency.compile(to.id);
  });
  for (const reference of wanted) {
    const followed = follower.current(reference);
    if (followed !== undefined) residency.compile(followed.record.id);
  }
}
