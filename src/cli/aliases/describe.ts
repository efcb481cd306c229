import type { AliasMoved, AliasPolicy, AliasRecord, AliasTraffic, GateResult } from '../../app/index.js';
import { formatTime, table } from '../output.js';

/** What a move did, in a line. */
export function describeMove({ model, alias, from, version }: AliasMoved): string {
  if (from === version) return `${model}@${alias} points at version ${version} alone`;
  return `${model}@${alias}: ${from === undefined ? '(none)' : from} -> ${version}`;
}

/** `90 % 3, 10 % 4`, or `3, shadowed by 4`. */
export function describeTraffic(traffic: AliasTraffic | null | undefined, version: number): string {
  if (traffic === undefined || traffic === null) return String(version);
  if (traffic.kind === 'shadow') return `${version}, shadowed by ${traffic.version}`;
  return traffic.shares.map((share) => `${share.percent} % ${share.version}`).join(', ');
}

function seconds(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1_000} s`;
}

/** What guards an alias, in a line; empty for the defaults. */
export function describePolicy({ protected: guarded, gates = {}, autoRollback }: AliasPolicy = {}): string {
  const parts = [
    ...(guarded === true ? ['protected'] : []),
    ...Object.entries(gates).map(([name, value]) => `${name} ${value}`),
  ];
  if (autoRollback !== undefined) {
    const { withinMs, maxErrorRate, maxP95Ms, minRequests } = autoRollback;
    const limits = [
      ...(maxErrorRate === undefined ? [] : [`errors above ${maxErrorRate}`]),
      ...(maxP95Ms === undefined ? [] : [`p95 above ${maxP95Ms} ms`]),
    ];
    const after = minRequests === undefined ? '' : ` after ${minRequests} requests`;
    parts.push(`back on ${limits.join(' or ')}${after} within ${seconds(withinMs)}`);
  }
  return parts.join(', ');
}

/** A table of aliases. */
export function describeAliases(aliases: readonly AliasRecord[]): string {
  if (aliases.length === 0) return 'No aliases yet. Set one: modelkeep alias set MODEL:VERSION ALIAS';
  return table(
    ['ALIAS', 'VERSION', 'SINCE (UTC)', 'BY', 'POLICY'],
    aliases.map(({ model, alias, version, traffic, moved, policy }) => [
      `${model}@${alias}`,
      describeTraffic(traffic, version),
      moved === undefined ? '' : formatTime(moved.at),
      moved?.by ?? '',
      describePolicy(policy),
    ]),
  );
}

/** One alias with all that is set for it. */
export function describeAlias({ model, alias, version, traffic, policy }: AliasRecord): string {
  const guards = describePolicy(policy);
  return `${model}@${alias}: ${describeTraffic(traffic, version)}${guards === '' ? '' : ` (${guards})`}`;
}

/** What gates found: a line each, and the worst examples of those that failed. */
export function describeGates(gates: readonly GateResult[]): string {
  return gates
    .flatMap(({ gate, outcome, summary, examples = [] }) => [
      `${gate} ${outcome}: ${summary}`,
      ...(outcome === 'failed' && examples.length > 0
        ? [
            table(
              ['', 'EXAMPLE', 'INPUT', 'EXPECTED', 'GIVEN'],
              examples.map(({ place, input, expected, given }) => [
                '',
                place,
                clip(input),
                clip(expected),
                clip(given),
              ]),
            ),
          ]
        : []),
    ])
    .join('\n');
}

const COLUMN = 60;
const clip = (text: string): string => (text.length > COLUMN ? `${text.slice(0, COLUMN - 1)}…` : text);
