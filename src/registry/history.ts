import {
  formatReference,
  ModelkeepError,
  type Abortable,
  type Reference,
  type StoreEvent,
  type VersionStore,
} from '../core/index.js';

/**
 * What happened to a model, newest first; with an alias in the reference only what happened to that alias.
 *
 * @throws ModelkeepError `MODEL_NOT_FOUND`; `INVALID_REFERENCE` for a reference to one version
 */
export async function history(
  store: VersionStore,
  reference: Reference,
  options: Abortable = {},
): Promise<readonly StoreEvent[]> {
  const { model, selector } = reference;
  if (selector.kind === 'version' || selector.kind === 'digest') {
    throw new ModelkeepError(
      'INVALID_REFERENCE',
      `"${formatReference(reference)}" names one version: write MODEL or MODEL@ALIAS`,
    );
  }
  const events = await store.listEvents({ model }, options);
  // A model without any event does not exist: let the store say what there is instead.
  if (events.length === 0) await store.resolve({ model, selector: { kind: 'latest' } }, options);
  return selector.kind === 'latest'
    ? events
    : events.filter((event) => 'alias' in event && event.alias === selector.alias);
}
