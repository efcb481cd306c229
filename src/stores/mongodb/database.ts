import {
  MongoClient,
  MongoServerError,
  type ClientSession,
  type Collection,
  type Db,
  type MongoClientOptions,
} from 'mongodb';
import { ModelkeepError } from '../../core/index.js';
import type {
  AliasDocument,
  ChunkDocument,
  EntryDocument,
  EventDocument,
  FeedDocument,
  FileDocument,
  LeaseDocument,
  NodeDocument,
  RetentionDocument,
  StatusDocument,
} from './documents.js';
import { isUnauthorized, mongoError } from './errors.js';

/** The open database: its collections, and what its deployment can do. */
export interface Database {
  readonly client: MongoClient;
  readonly db: Db;
  /** The store's URL without user and password. */
  readonly location: string;
  readonly files: Collection<FileDocument>;
  readonly chunks: Collection<ChunkDocument>;
  readonly status: Collection<StatusDocument>;
  readonly aliases: Collection<AliasDocument>;
  readonly events: Collection<EventDocument>;
  readonly nodes: Collection<NodeDocument>;
  readonly leases: Collection<LeaseDocument>;
  readonly retention: Collection<RetentionDocument>;
  readonly entries: Collection<EntryDocument>;
  readonly feed: Collection<FeedDocument>;
  /** True on a replica set or sharded cluster: it has change streams and transactions. */
  readonly replicated: boolean;
}

/** Number of the layout of what is stored; a store of another number is refused. */
const STORED_FORMAT = 1;
/** What the driver is told unless the URL or the caller says otherwise. */
const CLIENT_DEFAULTS = Object.freeze({
  /** How long an operation waits for a server. */
  serverSelectionTimeoutMS: 5_000,
  /** How often a server is looked at: half of what a returning server may take to be noticed. */
  heartbeatFrequencyMS: 2_000,
  appName: 'modelkeep',
});

/**
 * A MongoDB URL without user and password, whatever stands in them: all up to the last `@` goes, so that a password
 * that was not escaped does not show either. Options go too.
 */
export function locationOf(url: string): string {
  const match = /^(mongodb(?:\+srv)?:\/\/)(?:.*@)?([^@/?]+)(\/[^@?]*)?/s.exec(url);
  return match === null ? 'mongodb://?' : `${match[1]}${match[2]}${match[3] ?? ''}`;
}

/** The driver lets options win over the URL; what the URL says is left to it. */
function withDefaults(url: string, options: MongoClientOptions): MongoClientOptions {
  const given = new Set([...new URLSearchParams(url.split('?')[1] ?? '').keys()].map((name) => name.toLowerCase()));
  const wanted = Object.entries({ ...CLIENT_DEFAULTS, ...options });
  return Object.fromEntries(wanted.filter(([name]) => !given.has(name.toLowerCase())));
}

/** @throws ModelkeepError `INVALID_INPUT` if the driver cannot read the URL or an option, or would misread it */
function createClient(url: string, location: string, options: MongoClientOptions): MongoClient {
  try {
    // A second @ before the options is one of a password, and what follows the first would be taken for a host.
    if (!/^[^?]*@[^?]*@/.test(url)) return new MongoClient(url, withDefaults(url, options));
  } catch {
    // Not handed on, not even as a cause: the driver's error quotes the URL, and with it the password.
  }
  throw new ModelkeepError(
    'INVALID_INPUT',
    `The URL of ${location} is malformed, or has an unknown option: escape user and password (@ is %40, / is %2F, : is %3A)`,
  );
}

/**
 * Connects, checks what is stored, and makes the indexes. A user who may only read can open and read.
 *
 * @throws ModelkeepError `INVALID_INPUT` for a URL without database; `STORE_UNAVAILABLE`, `STORE_PERMISSION`;
 * `UNSUPPORTED_FORMAT` for data of another layout. Nothing is left open then
 */
export async function openDatabase(url: string, bucket: string, options: MongoClientOptions): Promise<Database> {
  const location = locationOf(url);
  if (!/^mongodb(\+srv)?:\/\/[^/]+\/[^?/]+/.test(url)) {
    throw new ModelkeepError('INVALID_INPUT', `${location} names no database: write mongodb://HOST/DATABASE`);
  }
  let client: MongoClient | undefined;
  try {
    client = createClient(url, location, options);
    await client.connect();
    const database = await describe(client, location, bucket);
    // The first question that needs rights: a wrong password shows here, not in the middle of a publish.
    await database.status.findOne({}, { projection: { _id: 1 } });
    await prepare(database);
    return database;
  } catch (error) {
    await client?.close();
    throw mongoError(error, location, 'open the store');
  }
}

async function describe(client: MongoClient, location: string, bucket: string): Promise<Database> {
  const db = client.db();
  const hello = await db.command({ hello: 1 });
  // Whoever reads after a write must see it, whichever server answers: majority both ways.
  const options = { writeConcern: { w: 'majority' } } as const;
  return {
    client,
    db,
    location,
    files: db.collection(`${bucket}.files`, options),
    chunks: db.collection(`${bucket}.chunks`, options),
    status: db.collection('ModelStatus', options),
    aliases: db.collection('ModelAliases', options),
    events: db.collection('ModelEvents', options),
    nodes: db.collection('ModelNodes', options),
    leases: db.collection('ModelLeases', options),
    retention: db.collection('ModelRetention', options),
    entries: db.collection('ModelEntries', options),
    feed: db.collection('ModelFeed', options),
    replicated: hello.setName !== undefined || hello.msg === 'isdbgrid',
  };
}

async function prepare(database: Database): Promise<void> {
  const { files, chunks, status, events, nodes, leases, entries, feed, location } = database;
  const stored = await leases.findOne({ _id: { kind: 'format' } });
  if (stored !== null && stored.format !== STORED_FORMAT) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${location} holds data of layout ${stored.format}, this software knows ${STORED_FORMAT}: use a newer modelkeep`,
    );
  }
  try {
    if (stored === null)
      await leases.updateOne(
        { _id: { kind: 'format' } },
        { $setOnInsert: { format: STORED_FORMAT } },
        { upsert: true },
      );
    await files.createIndex({ filename: 1, uploadDate: 1 });
    await chunks.createIndex({ files_id: 1, n: 1 }, { unique: true });
    // Partial: what a plain script inserts has no version yet, and must not collide.
    await status.createIndex(
      { model_name: 1, version: 1 },
      { unique: true, partialFilterExpression: { version: { $exists: true } } },
    );
    await status.createIndex({ model_name: 1, state: 1, version: 1 });
    await events.createIndex({ model_name: 1, at: -1, _id: -1 });
    await entries.createIndex({ '_id.kind': 1, '_id.key': 1 });
    await feed.createIndex({ source: 1 }, { unique: true });
    await status.createIndex({ fed: 1 });
    await events.createIndex({ fed: 1 });
    await nodes.createIndex({ expires_at: 1 }, { expireAfterSeconds: 0 });
    await leases.createIndex({ expires_at: 1 }, { expireAfterSeconds: 0 });
  } catch (error) {
    if (!isUnauthorized(error)) throw error;
  }
}

/** Runs writes that belong together: in one transaction where the deployment has them, else one after the other. */
export async function together<T>(
  { client, replicated }: Database,
  work: (session: ClientSession | undefined) => Promise<T>,
): Promise<T> {
  if (!replicated) return work(undefined);
  return client.withSession((session) =>
    session.withTransaction(() => work(session), {
      writeConcern: { w: 'majority' },
      readConcern: { level: 'snapshot' },
    }),
  );
}

/** Which unique index a write ran into, by its first distinguishing field; undefined for any other error. */
export function duplicateKey(error: unknown): string | undefined {
  if (!(error instanceof MongoServerError) || error.code !== 11_000) return undefined;
  const pattern = (error.keyPattern ?? error.errorResponse?.keyPattern) as Record<string, unknown> | undefined;
  if (pattern !== undefined) return Object.keys(pattern).at(-1);
  return /index: _id_/.test(error.message) ? '_id' : 'version';
}
