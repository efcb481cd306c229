import { ObjectId, type ClientSession } from 'mongodb';
import type { NewEvent, StoreEvent } from '../../core/index.js';
import type { Database } from './database.js';
import { toRecord, type EventDocument, type StatusDocument } from './documents.js';

/**
 * The history of a model, newest first. A version's own document is the record of its publishing, so that one write
 * makes both and a publisher that dies leaves neither half; moves and changes of state have documents of their own.
 */
export async function listEvents({ status, events }: Database, model: string, limit?: number): Promise<StoreEvent[]> {
  const published = status.find({ model_name: model, version: { $exists: true } }).sort({ inserted_time: -1 });
  const changes = events.find({ model_name: model }).sort({ at: -1, _id: -1 });
  if (limit !== undefined) {
    published.limit(limit);
    changes.limit(limit);
  }
  const [versions, others] = await Promise.all([published.toArray(), changes.toArray()]);
  // Stable: what happened to a version in the millisecond in which it was published happened after that.
  const all = [...others.map(toEvent), ...versions.map(toPublished)];
  return all.toSorted((a, b) => b.at.getTime() - a.at.getTime()).slice(0, limit);
}

/** An event's document as an event. */
export function toEvent({ _id, model_name: model, fed: _fed, ...rest }: EventDocument): StoreEvent {
  return { ...rest, id: _id.toHexString(), model } as unknown as StoreEvent;
}

/** The publishing of a version, told by its document. */
export function toPublished(document: StatusDocument): StoreEvent {
  const { _id: id } = document;
  const { model, version, publishedAt: at, publishedBy: by, message } = toRecord(document);
  return {
    id: id.toHexString(),
    at,
    model,
    kind: 'published',
    version,
    ...(by === undefined ? {} : { by }),
    ...(message === undefined ? {} : { message }),
  };
}

/** Records what happened. The publishing of a version is recorded by its own document. */
export async function insertEvent(
  { events }: Database,
  { model, ...event }: Exclude<NewEvent, { readonly kind: 'published' }>,
  session: ClientSession | undefined,
): Promise<void> {
  const document = { ...event, _id: new ObjectId(), model_name: model, at: new Date() };
  await events.insertOne(document, session === undefined ? {} : { session });
}
