import type { ObjectId } from 'mongodb';
import type { FeedEvent, StoreEvent } from '../../core/index.js';
import { duplicateKey, type Database } from './database.js';
import { toEvent, toPublished } from './history.js';
import type { EventDocument, StatusDocument } from './documents.js';

/** Events that are numbered at once. */
const BATCH = 500;

/** The number of the newest event. */
export async function feedEnd(database: Database): Promise<number> {
  await numberEvents(database);
  return lastNumber(database);
}

/** The events behind a number, in their order. */
export async function readFeed(
  database: Database,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<FeedEvent[]> {
  await numberEvents(database);
  const found = await database.feed
    .find({ _id: { $gt: after } })
    .sort({ _id: 1 })
    .limit(limit)
    .toArray();
  return found.map(({ _id: sequence, event }) => ({ sequence, event }));
}

async function lastNumber({ feed }: Database): Promise<number> {
  const [last] = await feed
    .find({}, { projection: { _id: 1 } })
    .sort({ _id: -1 })
    .limit(1)
    .toArray();
  const { _id: number } = last ?? { _id: 0 };
  return number;
}

/**
 * Gives each event that has none its number. Events are written by many machines, whose clocks differ and jump; the
 * numbers are given afterwards, without gaps, so that nothing ever comes to stand before what was read already.
 */
async function numberEvents(database: Database): Promise<void> {
  const { status, events } = database;
  for (;;) {
    const published = await status
      .find({ version: { $exists: true }, fed: { $exists: false } }, { projection: { metadata: 0 } })
      .sort({ inserted_time: 1 })
      .limit(BATCH)
      .toArray();
    const others = await events
      .find({ fed: { $exists: false } })
      .sort({ at: 1, _id: 1 })
      .limit(BATCH)
      .toArray();
    if (published.length + others.length === 0) return;
    // Stable: what happened to a version in the millisecond in which it was published happened after that.
    const all = [...published.map(publishedOf), ...others.map(changedOf)];
    const next = all.toSorted((a, b) => a.event.at.getTime() - b.event.at.getTime()).slice(0, BATCH);
    for (const one of next) await append(database, one);
    const ids = next.map(({ source }) => source);
    await status.updateMany({ _id: { $in: ids } }, { $set: { fed: true } });
    await events.updateMany({ _id: { $in: ids } }, { $set: { fed: true } });
  }
}

interface Unnumbered {
  readonly source: ObjectId;
  readonly event: StoreEvent;
}

function publishedOf(document: StatusDocument): Unnumbered {
  const { _id: source } = document;
  return { source, event: toPublished(document) };
}

function changedOf(document: EventDocument): Unnumbered {
  const { _id: source } = document;
  return { source, event: toEvent(document) };
}

/** Takes the next number for an event, unless somebody else gave it one. */
async function append(database: Database, { source, event }: Unnumbered): Promise<void> {
  for (;;) {
    const number = (await lastNumber(database)) + 1;
    try {
      await database.feed.insertOne({ _id: number, source, event });
      return;
    } catch (error) {
      const key = duplicateKey(error);
      if (key === undefined) throw error;
      // The number is taken, or the event has one: which of them, some servers do not say.
      if ((await database.feed.findOne({ source }, { projection: { _id: 1 } })) !== null) return;
    }
  }
}
