import { Readable } from 'node:stream';
import { z } from 'zod';
import { mayUse, type Principal } from '../../../access/index.js';
import {
  checkModelName,
  ModelkeepError,
  parseReference,
  parseWhere,
  placesOf,
  throwIfAborted,
  versionName,
  type VersionRecord,
  type VersionStore,
} from '../../../core/index.js';
import {
  attachSignature,
  history,
  lineage,
  listSignatures,
  removeSignature,
  show,
  type LineageNode,
} from '../../../registry/index.js';
import { message, queryFlag, refOf, route, who, type ApiRoute } from './route.js';

function visible<T extends { readonly model: string }>(principal: Principal | undefined, all: readonly T[]): T[] {
  return all.filter(({ model }) => principal === undefined || mayUse(principal, model));
}

function seen(principal: Principal | undefined, nodes: readonly LineageNode[]): LineageNode[] {
  return nodes.filter(({ name }) => principal === undefined || mayUse(principal, parseReference(name).model));
}

/** One version by its own number. */
function numbered(ref: string): { readonly model: string; readonly version: number } {
  const { model, selector } = parseReference(ref);
  if (selector.kind === 'version') return { model, version: selector.version };
  throw new ModelkeepError('INVALID_REFERENCE', `"${ref}" names no version number: write MODEL:VERSION`);
}

const annotationValue = z.union([z.string(), z.number(), z.boolean(), z.null()]);

const READING: readonly ApiRoute[] = [
  route({
    method: 'GET',
    url: '/models',
    operation: 'read',
    summary: 'Models, with their newest version and their aliases',
    handle: async ({ store, principal, signal }) => {
      const [versions, aliases] = await Promise.all([
        store.listVersions({}, { signal }),
        store.listAliases({}, { signal }),
      ]);
      const models = new Map<string, VersionRecord[]>();
      for (const one of visible(principal, versions)) models.set(one.model, [...(models.get(one.model) ?? []), one]);
      return [...models].map(([model, all]) => ({
        model,
        versions: all.length,
        latest: all.findLast(({ state }) => state === 'ready')?.version ?? null,
        aliases: aliases.filter((one) => one.model === model),
      }));
    },
  }),
  route({
    method: 'GET',
    url: '/versions',
    operation: 'read',
    summary: 'Versions of one model or of all, that meet a condition',
    query: z.object({
      model: z.string().optional(),
      where: z.string().optional().describe('A condition such as "metadata.epoch >= 3 and tag = prod"'),
      deleted: queryFlag.describe('Deleted versions too, while they can be restored'),
    }),
    handle: async ({ store, principal, signal, query: { model, where, deleted } }) => {
      const filter = {
        deleted,
        ...(model === undefined ? {} : { model: checkModelName(model) }),
        ...(where === undefined ? {} : { where: parseWhere(where) }),
      };
      return visible(principal, await store.listVersions(filter, { signal }));
    },
  }),
  route({
    method: 'GET',
    url: '/versions/:ref',
    operation: 'read',
    about: refOf,
    summary: 'Everything that is known of a version: record, manifest, aliases, who holds it',
    handle: async ({ store, params, signal }) => show(store, parseReference(refOf({ params })), { signal }),
  }),
  route({
    method: 'GET',
    url: '/versions/:ref/files/*',
    operation: 'read',
    about: refOf,
    givesBytes: true,
    summary: 'The bytes of a file of a version, checked on the way; the connection breaks if they are damaged',
    handle: async ({ store, params, signal }) =>
      openFile(store, parseReference(refOf({ params })), params['*'] ?? '', signal),
  }),
  route({
    method: 'GET',
    url: '/versions/:ref/lineage',
    operation: 'read',
    about: refOf,
    summary: 'What a version was made from, and what was made from it',
    handle: async ({ store, params, principal, signal }) => {
      const found = await lineage(store, parseReference(refOf({ params })), { signal });
      return {
        ...found,
        ancestors: seen(principal, found.ancestors),
        descendants: seen(principal, found.descendants),
      };
    },
  }),
  route({
    method: 'GET',
    url: '/history/:ref',
    operation: 'read',
    about: refOf,
    summary: 'What happened to a model or an alias, newest first',
    handle: async ({ store, params, signal }) => history(store, parseReference(refOf({ params })), { signal }),
  }),
];

async function openFile(
  store: VersionStore,
  reference: ReturnType<typeof parseReference>,
  path: string,
  signal: AbortSignal,
): Promise<Readable> {
  const record = await store.resolve(reference, { signal });
  const manifest = await store.readManifest(record, { signal });
  const file = manifest.files.find((one) => one.path === path);
  if (file === undefined) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `${versionName(record)} has no file ${JSON.stringify(path.slice(0, 200))}`,
    );
  }
  const bytes = async function* (): AsyncGenerator<Uint8Array> {
    for (const place of placesOf(file)) {
      throwIfAborted(signal);
      yield* store.readSegment(record, place, { signal });
    }
  };
  return Readable.from(bytes(), { objectMode: false });
}

const CHANGING: readonly ApiRoute[] = [
  route({
    method: 'PUT',
    url: '/versions/:ref/state',
    operation: 'manage',
    about: refOf,
    summary: 'Archive, delete or restore a version',
    body: z.object({ state: z.enum(['ready', 'archived', 'deleted']), message }),
    handle: async ({ store, params, body, by }) => {
      const { model, version } = numbered(refOf({ params }));
      return store.setState(model, version, body.state, who(by, body.message));
    },
  }),
  route({
    method: 'POST',
    url: '/versions/:ref/annotations',
    operation: 'publish',
    about: refOf,
    summary: 'Change tags and annotations of a version',
    body: z.object({
      addTags: z.array(z.string()).optional(),
      removeTags: z.array(z.string()).optional(),
      annotations: z.record(z.string(), annotationValue).optional().describe('Values to set; null removes one'),
      message,
    }),
    handle: async ({ store, params, body, by, signal }) => {
      const record = await store.resolve(parseReference(refOf({ params })), { signal });
      const { addTags = [], removeTags = [], annotations = {} } = body;
      return store.annotate(record, { addTags, removeTags, annotations }, who(by, body.message));
    },
  }),
  route({
    method: 'GET',
    url: '/versions/:ref/signatures',
    operation: 'read',
    about: refOf,
    summary: 'Signatures of a version, unproved',
    handle: async ({ store, params, signal }) =>
      listSignatures(store, await store.resolve(parseReference(refOf({ params })), { signal }), { signal }),
  }),
  route({
    method: 'POST',
    url: '/versions/:ref/signatures',
    operation: 'publish',
    about: refOf,
    summary: 'Keep a signature that was made elsewhere: a DSSE envelope about this version; keys never travel',
    body: z.object({
      envelope: z.object({
        payload: z.string(),
        payloadType: z.string(),
        signatures: z.array(z.object({ keyid: z.string(), sig: z.string() })).length(1),
      }),
      message,
    }),
    handle: async ({ store, params, body, by, signal }) =>
      attachSignature(store, parseReference(refOf({ params })), body.envelope, { ...who(by, body.message), signal }),
  }),
  route({
    method: 'DELETE',
    url: '/versions/:ref/signatures/:keyId',
    operation: 'manage',
    about: refOf,
    summary: 'Remove a signature',
    handle: async ({ store, params, by, signal }) =>
      removeSignature(store, parseReference(refOf({ params })), params['keyId'] ?? '', { by, signal }),
  }),
];

/** Routes about versions. */
export const VERSION_ROUTES: readonly ApiRoute[] = [...READING, ...CHANGING];
