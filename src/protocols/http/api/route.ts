import { z } from 'zod';
import type { Operation, Principal } from '../../../access/index.js';
import type { Abortable, VersionRecord, VersionStore } from '../../../core/index.js';
import type { RunGates, SegmentSource } from '../../../registry/index.js';
import { checkBody } from '../request.js';

/** Where the management routes begin. */
export const API_PREFIX = '/api/v1';

/** What the routes work with. */
export interface ApiOptions {
  readonly store: VersionStore;
  /** Folder of this node's disk cache: parts of uploads lie below it. */
  readonly cacheDir: string;
  /** Whether webhooks may go to addresses inside of the network. */
  readonly webhookAllowPrivate: boolean;
  /** Whether anybody may manage from anywhere: the operator said so. */
  readonly insecure: boolean;
  /** Runs the gates of an alias before a promotion; absent: an alias whose policy asks for some is not promoted. */
  readonly runGates?: RunGates;
  /** Opens another store by the name that the operator gave it. @throws ModelkeepError `INVALID_INPUT` for other names */
  readonly openOtherStore: (name: string) => Promise<VersionStore>;
  /** Where this node may find whole copies of segments, to mend the store with. */
  readonly repairSources: readonly SegmentSource[];
  /** Asks two versions the same labelled examples. */
  readonly compareAnswers: (
    first: VersionRecord,
    second: VersionRecord,
    examples: readonly Readonly<Record<string, unknown>>[],
    options: Abortable,
  ) => Promise<object>;
}

/** One request. */
export interface ApiCall {
  readonly options: ApiOptions;
  readonly store: VersionStore;
  /** What stands for the `:names` of the URL, and `*`. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
  readonly body: unknown;
  /** Who asks; absent where nobody is asked for credentials. */
  readonly principal: Principal | undefined;
  /** The same, for histories. */
  readonly by: string;
  /** Fires when the client goes away, or the time is over that its header allows. */
  readonly signal: AbortSignal;
  /** Tells a client that reads lines how far it is. */
  readonly onProgress: (progress: unknown) => void;
}

/** A route of the management API: what it does, for the server and for its document. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below {@link API_PREFIX}; `:ref` is a reference, percent-encoded. */
  readonly url: string;
  readonly operation: Operation;
  readonly summary: string;
  /** Schemas of what it takes, for the document. */
  readonly querySchema?: z.ZodType;
  readonly bodySchema?: z.ZodType;
  /** The body is bytes, not JSON. */
  readonly takesBytes: boolean;
  /** Progress is told to clients that accept `application/x-ndjson`. */
  readonly long: boolean;
  /** The answer is bytes, not JSON. */
  readonly givesBytes: boolean;
  /** The reference that a request is about; absent for routes about the whole store. */
  readonly about?: (call: Pick<ApiCall, 'params' | 'body' | 'query'>) => string;
  /** True if it changes or shows the whole store, and is refused to those who may use some models only. */
  readonly wholeStore: boolean;
  readonly handle: (call: ApiCall) => Promise<unknown>;
}

type Typed<Query, Body> = Omit<ApiCall, 'query' | 'body'> & { readonly query: Query; readonly body: Body };

/** What {@link route} takes. */
export interface RouteDefinition<Query, Body>
  extends
    Pick<ApiRoute, 'method' | 'url' | 'operation' | 'summary' | 'about'>,
    Partial<Pick<ApiRoute, 'long' | 'givesBytes' | 'takesBytes' | 'wholeStore'>> {
  readonly query?: z.ZodType<Query>;
  readonly body?: z.ZodType<Body>;
  readonly handle: (call: Typed<Query, Body>) => Promise<unknown>;
}

const NOTHING = z.unknown();

/** Defines a route whose query and body are checked before it is called. */
export function route<Query = unknown, Body = unknown>(defined: RouteDefinition<Query, Body>): ApiRoute {
  const { method, url, operation, summary, about, query, body, handle } = defined;
  const { long = false, givesBytes = false, takesBytes = false, wholeStore = false } = defined;
  const [querySchema, bodySchema] = [query ?? (NOTHING as z.ZodType<Query>), body ?? (NOTHING as z.ZodType<Body>)];
  return {
    method,
    url,
    operation,
    summary,
    takesBytes,
    long,
    givesBytes,
    wholeStore,
    ...(about === undefined ? {} : { about }),
    ...(query === undefined ? {} : { querySchema: query }),
    ...(body === undefined ? {} : { bodySchema: body }),
    handle: (call) =>
      handle({ ...call, query: checkBody(querySchema, call.query), body: checkBody(bodySchema, call.body ?? {}) }),
  };
}

/** The reference in the URL. */
export const refOf = ({ params }: Pick<ApiCall, 'params'>): string => params['ref'] ?? '';
/** The model in the URL. */
export const modelOf = ({ params }: Pick<ApiCall, 'params'>): string => params['model'] ?? '';

/** A flag in a query. */
export const queryFlag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((value) => value === 'true');
/** Why, for the history. */
export const message = z.string().max(4_096).optional().describe('Why, for the history');

/** Who did it and why, for a store. */
export function who(by: string, why: string | undefined): { readonly by: string; readonly message?: string } {
  return why === undefined ? { by } : { by, message: why };
}
