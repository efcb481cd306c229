import { join } from 'node:path';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { authorize } from '../../../access/index.js';
import { parseReference } from '../../../core/index.js';
import { copy, diff, exportOciStream, importOciStream } from '../../../registry/index.js';
import { modelOf, queryFlag, refOf, route, type ApiRoute } from './route.js';

/** Routes that hold versions against one another, and carry them elsewhere and back. */
export const TRANSFER_ROUTES: readonly ApiRoute[] = [
  route({
    method: 'POST',
    url: '/versions/:ref/diff',
    operation: 'read',
    about: refOf,
    long: true,
    summary: 'What two versions have in common, and what not; with examples also how each answers them',
    body: z.object({
      with: z.string().describe('Reference of the second version'),
      examples: z
        .array(z.record(z.string(), z.unknown()))
        .min(1)
        .optional()
        .describe('Labelled examples, as modelkeep eval takes them; needs the scope infer, too'),
    }),
    handle: async ({ store, options, params, principal, body, signal, onProgress }) => {
      const references = [refOf({ params }), body.with] as const;
      const [first, second] = references;
      if (principal !== undefined) {
        authorize(principal, 'read', second);
        if (body.examples !== undefined) for (const one of references) authorize(principal, 'infer', one);
      }
      const found = await diff(store, parseReference(first), parseReference(second), {
        signal,
        onProgress: (doneTensors, totalTensors) => onProgress({ doneTensors, totalTensors }),
      });
      if (body.examples === undefined) return found;
      const answers = await options.compareAnswers(found.first, found.second, body.examples, { signal });
      return { ...found, answers };
    },
  }),
  route({
    method: 'POST',
    url: '/versions/:ref/copy',
    operation: 'manage',
    about: refOf,
    long: true,
    summary: 'Copy a version, or with a model alone all of its versions, into another store that the operator named',
    body: z.object({
      to: z.string().describe('Name of the other store, by the setting otherStores'),
      withAliases: z.boolean().default(false).describe('Point the aliases there at the copies, with what guards them'),
      withHistory: z.boolean().default(false),
    }),
    handle: async ({ store, options, params, body: { to, ...what }, by, signal, onProgress }) => {
      await using other = await options.openOtherStore(to);
      return await copy(store, other, parseReference(refOf({ params })), {
        ...what,
        by,
        signal,
        onProgress: (version, progress) => onProgress({ version, ...progress }),
      });
    },
  }),
  route({
    method: 'GET',
    url: '/versions/:ref/oci',
    operation: 'read',
    about: refOf,
    givesBytes: true,
    summary: 'A version as a tar that holds an OCI image layout; the connection breaks if stored bytes are damaged',
    handle: async ({ store, params, signal }) => {
      const { tar } = await exportOciStream(store, parseReference(refOf({ params })), { signal });
      return Readable.from(tar, { objectMode: false });
    },
  }),
  route({
    method: 'POST',
    url: '/models/:model/oci',
    operation: 'publish',
    about: modelOf,
    takesBytes: true,
    long: true,
    summary: 'Publish a version from a tar that holds an OCI image layout',
    query: z.object({
      ref: z.string().optional().describe('Which version of a layout that holds several, by its name there'),
      force: queryFlag.describe('Publish it though it answers otherwise than the newest version'),
    }),
    handle: async ({ store, options, params, query: { ref, force }, body, by, signal, onProgress }) =>
      importOciStream(store, body as AsyncIterable<Uint8Array>, join(options.cacheDir, 'uploads'), {
        name: modelOf({ params }),
        by,
        signal,
        onProgress,
        force,
        ...(ref === undefined ? {} : { refName: ref }),
      }),
  }),
];
