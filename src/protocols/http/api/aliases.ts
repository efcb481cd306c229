import { z } from 'zod';
import { mayUse } from '../../../access/index.js';
import { checkModelName, parseReference } from '../../../core/index.js';
import {
  CHANGE_RULES,
  getPublishing,
  setPublishing,
  getAlias,
  moveChanges,
  promote,
  removeAlias,
  rollback,
  setAliasPolicy,
  setAliasTraffic,
  setRetention,
} from '../../../registry/index.js';
import { message, modelOf, refOf, route, who, type ApiRoute } from './route.js';

const version = z.number().int().min(1);
const traffic = z
  .union([
    z.object({
      kind: z.literal('split'),
      shares: z.array(z.object({ version, percent: z.number().min(0).max(100) })).min(1),
    }),
    z.object({ kind: z.literal('shadow'), version }),
  ])
  .nullable();

const gates = z.strictObject({
  parity: z.enum(['on', 'off']).optional(),
  parityTolerance: z.number().optional(),
  quality: z.enum(['on', 'off']).optional(),
  maxDrop: z.number().optional(),
  maxLatencyRatio: z.number().optional(),
  maxMemoryRatio: z.number().optional(),
});

const autoRollback = z.strictObject({
  withinMs: z.number().describe('How long after a promotion nodes watch, in ms'),
  maxErrorRate: z.number().exactOptional().describe('Largest share of requests that may fail, 0 to 1'),
  maxP95Ms: z.number().exactOptional().describe('Largest 95th percentile of the time to an answer, in ms'),
  minRequests: z
    .number()
    .int()
    .exactOptional()
    .describe('Requests that a node must have seen before it judges; else 20'),
});

const MOVES: readonly ApiRoute[] = [
  route({
    method: 'GET',
    url: '/aliases',
    operation: 'read',
    summary: 'Aliases of one model or of all',
    query: z.object({ model: z.string().optional() }),
    handle: async ({ store, principal, signal, query: { model } }) => {
      const filter = model === undefined ? {} : { model: checkModelName(model) };
      const all = await store.listAliases(filter, { signal });
      return all.filter((one) => principal === undefined || mayUse(principal, one.model));
    },
  }),
  route({
    method: 'GET',
    url: '/aliases/:ref',
    operation: 'read',
    about: refOf,
    summary: 'An alias (MODEL@ALIAS): where it points, what guards it, how its requests are shared',
    handle: async ({ store, params, signal }) => getAlias(store, parseReference(refOf({ params })), { signal }),
  }),
  route({
    method: 'POST',
    url: '/versions/:ref/promote',
    operation: 'manage',
    about: refOf,
    summary: 'Point an alias at a version, if the gates of the alias let it',
    body: z.object({
      to: z.string().describe('The alias'),
      expect: version.nullable().optional().describe('Only if it points at this version now; null: only if it is new'),
      gates: gates.optional().describe('Stronger than the policy of the alias, for this move'),
      message,
    }),
    handle: async ({ store, options, params, body: { to, expect, gates: own, message: why }, by, signal }) => {
      const promoted = await promote(store, parseReference(refOf({ params })), {
        to,
        signal,
        ...who(by, why),
        ...(expect === undefined ? {} : { expect }),
        ...(own === undefined ? {} : { gates: own }),
        ...(options.runGates === undefined ? {} : { runGates: options.runGates }),
      });
      const change = await moveChanges(store, promoted, { signal });
      return { ...promoted, ...(change === undefined ? {} : { change }) };
    },
  }),
  route({
    method: 'POST',
    url: '/aliases/:ref/rollback',
    operation: 'manage',
    about: refOf,
    summary: 'Point an alias back at the version before, or at a version',
    body: z.object({ to: version.optional(), message }),
    handle: async ({ store, params, body: { to, message: why }, by, signal }) =>
      rollback(store, parseReference(refOf({ params })), {
        signal,
        ...who(by, why),
        ...(to === undefined ? {} : { to }),
      }),
  }),
  route({
    method: 'DELETE',
    url: '/aliases/:ref',
    operation: 'manage',
    about: refOf,
    summary: 'Remove an alias',
    query: z.object({ message }),
    handle: async ({ store, params, query, by, signal }) =>
      removeAlias(store, parseReference(refOf({ params })), { signal, ...who(by, query.message) }),
  }),
];

const GUARDS: readonly ApiRoute[] = [
  route({
    method: 'PUT',
    url: '/aliases/:ref/traffic',
    operation: 'manage',
    about: refOf,
    summary: 'Share the requests of an alias among versions, or have one shadow it; null ends it',
    body: z.object({ traffic, message }),
    handle: async ({ store, params, body, by, signal }) =>
      setAliasTraffic(store, parseReference(refOf({ params })), body.traffic, { signal, ...who(by, body.message) }),
  }),
  route({
    method: 'PUT',
    url: '/aliases/:ref/policy',
    operation: 'manage',
    about: refOf,
    summary: 'Change what guards an alias: protection, gates, automatic rollback',
    body: z.object({
      protected: z.boolean().optional(),
      gates: gates.nullable().optional().describe('Merged into the gates that are set; null takes them away'),
      autoRollback: autoRollback.nullable().optional().describe('In the place of what is set; null takes it away'),
      message,
    }),
    handle: async ({ store, params, body, by, signal }) => {
      const { protected: isProtected, gates: asked, autoRollback: back } = body;
      const change = {
        ...(back === undefined ? {} : { autoRollback: back }),
        ...(isProtected === undefined ? {} : { protected: isProtected }),
        ...(asked === undefined ? {} : { gates: asked }),
      };
      return setAliasPolicy(store, parseReference(refOf({ params })), change, { signal, ...who(by, body.message) });
    },
  }),
  route({
    method: 'GET',
    url: '/publishing/:model',
    operation: 'read',
    about: modelOf,
    summary: 'What happens to a push that answers otherwise than the newest version of a model',
    handle: async ({ store, params, signal }) => getPublishing(store, modelOf({ params }), { signal }),
  }),
  route({
    method: 'PUT',
    url: '/publishing/:model',
    operation: 'manage',
    about: modelOf,
    summary: 'Say what happens to a push that answers otherwise than the newest version of a model',
    body: z.object({ changes: z.enum(CHANGE_RULES).describe('Refuse it (the default), warn, or allow it') }),
    handle: async ({ store, params, body, signal }) =>
      setPublishing(store, { model: modelOf({ params }), changes: body.changes }, { signal }),
  }),
  route({
    method: 'GET',
    url: '/retention',
    operation: 'read',
    wholeStore: true,
    summary: 'Retention policies of the models that have one',
    handle: async ({ store, signal }) => store.listRetention({ signal }),
  }),
  route({
    method: 'PUT',
    url: '/retention/:model',
    operation: 'manage',
    about: modelOf,
    summary: 'Set the retention policy of a model; without any rule it is removed',
    body: z.object({
      keepLast: z.number().int().min(1).optional(),
      keepAliased: z.boolean().optional(),
      keepYoungerThanMs: z.number().int().min(0).optional(),
      message,
    }),
    handle: async ({ store, params, body, by, signal }) => {
      const { message: why, keepLast, keepAliased, keepYoungerThanMs } = body;
      const policy = {
        model: modelOf({ params }),
        ...(keepLast === undefined ? {} : { keepLast }),
        ...(keepAliased === undefined ? {} : { keepAliased }),
        ...(keepYoungerThanMs === undefined ? {} : { keepYoungerThanMs }),
      };
      return setRetention(store, policy, { signal, ...who(by, why) });
    },
  }),
];

/** Routes about aliases and retention. */
export const ALIAS_ROUTES: readonly ApiRoute[] = [...MOVES, ...GUARDS];
