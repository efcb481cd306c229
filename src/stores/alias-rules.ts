import {
  checkPolicy,
  checkTraffic,
  ModelkeepError,
  versionsOf,
  type AliasChange,
  type AliasMove,
  type AliasRecord,
  type VersionRecord,
} from '../core/index.js';
import { author } from './author.js';

/** What has to hold for an alias to be changed; absent fields ask nothing. */
export interface Expectation {
  readonly expect?: number | null | undefined;
  readonly expectRevision?: number | undefined;
}

/** `moved from 3 to 4 by ann at 2026-01-02T03:04:05.678Z ("better")`. */
function lastMove({ version, moved }: AliasRecord): string {
  if (moved === undefined) return `points at version ${version}`;
  const from = moved.from === undefined ? '' : `from ${moved.from} `;
  const why = moved.message === undefined ? '' : ` (${JSON.stringify(moved.message)})`;
  return `points at version ${version}: moved ${from}by ${moved.by ?? 'somebody'} at ${moved.at.toISOString()}${why}`;
}

/** @throws ModelkeepError `ALIAS_CONFLICT` saying who changed the alias, and how, if it is not as expected */
export function checkExpectation(
  name: { readonly model: string; readonly alias: string },
  now: AliasRecord | undefined,
  { expect, expectRevision }: Expectation,
): void {
  const versionHolds = expect === undefined || expect === (now?.version ?? null);
  const revisionHolds = expectRevision === undefined || expectRevision === now?.revision;
  if (versionHolds && revisionHolds) return;
  const { model, alias } = name;
  const is = now === undefined ? 'does not exist' : lastMove(now);
  const wanted = versionHolds
    ? 'it was changed since it was looked at'
    : `${expect === null ? 'that it does not exist' : `version ${String(expect)}`} was expected`;
  throw new ModelkeepError('ALIAS_CONFLICT', `"${model}@${alias}" ${is}; ${wanted}: look at it again, then decide`, {
    details: { model, alias, ...(now === undefined ? {} : { version: now.version, moved: now.moved }) },
  });
}

/** @throws ModelkeepError `VERSION_NOT_FOUND` for a version that no alias may lead to */
export function checkTarget({ model, version, state }: VersionRecord): void {
  if (state === 'ready') return;
  throw new ModelkeepError(
    'VERSION_NOT_FOUND',
    `Version "${model}:${version}" is ${state}: restore it before an alias can point at it`,
    { details: { model, version, state } },
  );
}

/** The alias after a move. The policy stays; a split or shadow ends. */
export function movedAlias(now: AliasRecord | undefined, move: AliasMove, at: Date): AliasRecord {
  const { model, alias, to, action } = move;
  const { policy } = now ?? {};
  return {
    model,
    alias,
    version: to,
    revision: (now?.revision ?? 0) + 1,
    moved: {
      at,
      ...(now === undefined ? {} : { from: now.version }),
      ...author(move),
      ...(action === undefined ? {} : { action }),
    },
    ...(policy === undefined ? {} : { policy }),
  };
}

/** The alias after a change. @throws ModelkeepError `INVALID_INPUT` for shares or numbers that mean nothing */
export function changedAlias(now: AliasRecord, change: AliasChange): AliasRecord {
  const { policy: policyBefore, traffic: trafficBefore, ...rest } = now;
  const policy = change.policy === undefined ? policyBefore : checkPolicy(change.policy);
  const asked = change.traffic === undefined ? trafficBefore : change.traffic;
  const traffic = asked === undefined || asked === null ? undefined : checkTraffic(asked, now.version);
  return {
    ...rest,
    revision: now.revision + 1,
    ...(policy === undefined ? {} : { policy }),
    ...(traffic === undefined ? {} : { traffic }),
  };
}

/** True if a move changes nothing: the alias is there already, and alone. */
export function isThere(now: AliasRecord | undefined, { to }: AliasMove): now is AliasRecord {
  return now !== undefined && versionsOf(now).length === 1 && now.version === to;
}
