import { z } from 'zod';
import { parseReference } from '../../../core/index.js';
import { collectGarbage, storeSource, verify } from '../../../registry/index.js';
import { addWebhook, listWebhooks, removeWebhook, testWebhook } from '../../../webhooks/index.js';
import { route, type ApiRoute } from './route.js';

/** Routes that look after the whole store. */
const CARE: readonly ApiRoute[] = [
  route({
    method: 'POST',
    url: '/verify',
    operation: 'manage',
    wholeStore: true,
    long: true,
    summary: 'Check what is stored, and mend it if asked; the answer lists findings, also if there are problems',
    body: z.object({
      ref: z.string().optional().describe('Only this version'),
      deep: z.boolean().default(false).describe('Read and hash every byte'),
      repair: z.boolean().default(false).describe('Mend from the cache of this node and from the store of "from"'),
      from: z.string().optional().describe('Name of another store, by the setting otherStores, with whole copies'),
      bytesPerSecond: z.number().int().min(1).optional().describe('Bytes a second that are read at the most'),
    }),
    handle: async ({ store, options, body: { ref, from, bytesPerSecond, ...how }, by, signal, onProgress }) => {
      await using other = from === undefined ? undefined : await options.openOtherStore(from);
      return await verify(store, {
        ...how,
        by,
        record: true,
        signal,
        onProgress,
        sources: [...options.repairSources, ...(other === undefined ? [] : [storeSource(other)])],
        ...(ref === undefined ? {} : { reference: parseReference(ref) }),
        ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
      });
    },
  }),
  route({
    method: 'POST',
    url: '/gc',
    operation: 'manage',
    wholeStore: true,
    long: true,
    summary: 'Collect garbage: apply retention policies, end deleted versions, remove what no version needs',
    body: z.object({
      dryRun: z.boolean().default(true).describe('Tell what would be done, and do nothing'),
      graceMs: z.number().int().min(0).optional(),
    }),
    handle: async ({ store, body: { dryRun, graceMs }, by, signal, onProgress }) =>
      collectGarbage(store, { dryRun, by, signal, onProgress, ...(graceMs === undefined ? {} : { graceMs }) }),
  }),
];

const WEBHOOKS: readonly ApiRoute[] = [
  route({
    method: 'GET',
    url: '/webhooks',
    operation: 'manage',
    wholeStore: true,
    summary: 'Webhooks, and how far each is; never their secrets',
    handle: async ({ store, signal }) => listWebhooks(store, { signal }),
  }),
  route({
    method: 'POST',
    url: '/webhooks',
    operation: 'manage',
    wholeStore: true,
    summary: 'Add a webhook; the answer holds its secret, this once',
    body: z.object({
      url: z.string(),
      model: z.string().optional(),
      events: z.array(z.string()).optional(),
      secret: z.string().optional().describe('whsec_ and base64; absent: one is made'),
    }),
    handle: async ({ store, options, body: { url, model, events, secret }, by, signal }) => {
      const wanted = {
        url,
        by,
        ...(model === undefined ? {} : { model }),
        ...(events === undefined ? {} : { events }),
        ...(secret === undefined ? {} : { secret }),
      };
      return addWebhook(store, wanted, { allowPrivate: options.webhookAllowPrivate, signal });
    },
  }),
  route({
    method: 'POST',
    url: '/webhooks/:id/test',
    operation: 'manage',
    wholeStore: true,
    summary: 'Send a webhook a test message, from this node',
    handle: async ({ store, options, params, signal }) =>
      testWebhook(store, params['id'] ?? '', { allowPrivate: options.webhookAllowPrivate, signal }),
  }),
  route({
    method: 'DELETE',
    url: '/webhooks/:id',
    operation: 'manage',
    wholeStore: true,
    summary: 'Remove a webhook',
    handle: async ({ store, params, signal }) => removeWebhook(store, params['id'] ?? '', { signal }),
  }),
];

/** Routes about the whole store: verifying, collecting, webhooks. */
export const CARE_ROUTES: readonly ApiRoute[] = [...CARE, ...WEBHOOKS];
