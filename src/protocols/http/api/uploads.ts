import { join } from 'node:path';
import { z } from 'zod';
import { authorize } from '../../../access/index.js';
import { isDigest, PRECISIONS, type Digest } from '../../../core/index.js';
import { POOLING_NAMES, UploadFolder } from '../../../registry/index.js';
import { message, modelOf, queryFlag, route, type ApiOptions, type ApiRoute } from './route.js';

const part = z.object({
  digest: z.custom<Digest>(isDigest, 'write sha256: and 64 hexadecimal digits').meta({ type: 'string' }),
  size: z.number().int().min(1).describe('Bytes'),
});

/** Facts in a query: an object as JSON. */
const jsonObject = z.string().transform((text, context): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Told below, as what is no object.
  }
  context.addIssue({ code: 'custom', message: 'write a JSON object' });
  return z.NEVER;
});

function folderOf({ cacheDir }: ApiOptions): UploadFolder {
  return new UploadFolder(join(cacheDir, 'uploads'));
}

/** Routes by which a version comes in: which parts are missing, the parts, and what they make; or all in one tar. */
export const UPLOAD_ROUTES: readonly ApiRoute[] = [
  route({
    method: 'POST',
    url: '/parts/missing',
    operation: 'publish',
    summary: 'Which of these parts have to be sent: neither this node nor the store has them',
    body: z.object({ parts: z.array(part).max(200_000) }),
    handle: async ({ store, options, body, signal }) => ({
      missing: await folderOf(options).missing(store, body.parts, { signal }),
    }),
  }),
  route({
    method: 'PUT',
    url: '/parts/:digest',
    operation: 'publish',
    takesBytes: true,
    summary: 'Send a part: its bytes, whose sha256 is its name; doing it twice is no error',
    handle: async ({ options, params, body, signal }) =>
      folderOf(options).write(params['digest'] ?? '', body as AsyncIterable<Uint8Array>, { signal }),
  }),
  route({
    method: 'POST',
    url: '/models/:model/versions',
    operation: 'publish',
    about: modelOf,
    long: true,
    summary: 'Publish files that are made of parts as the next version of a model',
    body: z.object({
      files: z.array(z.object({ path: z.string(), parts: z.array(part) })),
      task: z.string().optional(),
      parent: z.string().optional().describe('Reference of the version that it was made from'),
      tags: z.array(z.string()).optional(),
      metadata: z.record(z.string(), z.unknown()).optional(),
      force: z
        .boolean()
        .optional()
        .describe('Make a new version even if the newest has the same contents, or answers otherwise'),
      message,
    }),
    handle: async ({ store, options, params, body, principal, by, signal, onProgress }) => {
      const { files, ...said } = body;
      if (principal !== undefined && said.parent !== undefined) authorize(principal, 'inspect', said.parent);
      const given = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
      return folderOf(options).push(store, files, {
        ...given,
        name: modelOf({ params }),
        by,
        signal,
        onProgress: (phase, progress) => onProgress({ phase, ...progress }),
      });
    },
  }),
  route({
    method: 'POST',
    url: '/models/:model/tar',
    operation: 'publish',
    about: modelOf,
    takesBytes: true,
    long: true,
    summary: 'Publish the directory in a tar, as training left it, as the next version of a model',
    query: z.object({
      task: z.string().optional(),
      precision: z.enum(PRECISIONS).optional().describe('How nodes serve it unless they are told otherwise'),
      parent: z.string().optional().describe('Reference of the version that it was made from'),
      base: z.string().optional().describe('Reference of the version that a PEFT adapter was trained on'),
      checkpoint: z.string().optional().describe('Which checkpoint of a training run: its number or name, or best'),
      file: z.string().optional().describe('Which of several .onnx files: its path in the directory'),
      output: z
        .union([z.string(), z.array(z.string()).max(2)])
        .optional()
        .describe('The output of an ONNX graph that the task reads; of question-answering the start and the end'),
      pooling: z.enum(POOLING_NAMES).optional().describe('How the vectors of tokens become one'),
      normalize: z
        .enum(['true', 'false'])
        .transform((value) => value === 'true')
        .optional()
        .describe('Whether vectors get length 1'),
      metadata: jsonObject.optional().describe('Free facts, a JSON object'),
      force: queryFlag.describe('Make a new version even if the newest has the same contents, or answers otherwise'),
      message,
    }),
    handle: async ({ store, options, params, query, body, principal, by, signal, onProgress }) => {
      if (principal !== undefined && query.parent !== undefined) authorize(principal, 'inspect', query.parent);
      if (principal !== undefined && query.base !== undefined) authorize(principal, 'read', query.base);
      const { output, ...others } = query;
      const given = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
      return folderOf(options).pushTar(store, body as AsyncIterable<Uint8Array>, {
        ...given,
        outputs: output === undefined ? undefined : [output].flat(),
        name: modelOf({ params }),
        by,
        signal,
        onProgress: (phase, progress) => onProgress({ phase, ...progress }),
      });
    },
  }),
];
