import type { Command } from 'commander';
import { history, parseReference, type GateResult, type StoreEvent } from '../../app/index.js';
import { describePolicy, describeTraffic } from '../aliases/describe.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';
import { formatTime, table } from '../output.js';
import { describeRules } from '../retention-words.js';

/** `modelkeep history`: what happened to a model or an alias. */
export function historyCommand(program: Command, world: World): void {
  const command = program
    .command('history')
    .summary('show what happened to a model or an alias')
    .argument('<ref>', 'such as sentiment or sentiment@production')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep history sentiment\n  $ modelkeep history sentiment@production --json',
    );
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: object) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal }) => {
      const reference = parseReference(ref);
      out.result(await history(await openStore(), reference, { signal }), describeHistory);
    }),
  );
}

const ACTION = {
  set: '',
  promote: '',
  rollback: ', rollback',
  'automatic-rollback': ', rolled back by a node',
} as const;

function describeEvent(event: StoreEvent): string {
  switch (event.kind) {
    case 'published':
      return `version ${event.version} published`;
    case 'alias-moved':
      return `@${event.alias}: ${event.from ?? '(none)'} -> ${event.to}${ACTION[event.action ?? 'set']}`;
    case 'alias-removed':
      return `@${event.alias} removed, pointed at ${event.from}`;
    case 'alias-traffic':
      return `@${event.alias}: ${event.traffic === null ? 'all to its own version' : describeShares(event.traffic)}`;
    case 'alias-policy':
      return `@${event.alias}: ${describePolicy(event.policy) || 'default policy'}`;
    case 'gate-failed':
      return `version ${event.version} held back${event.alias === undefined ? '' : ` from @${event.alias}`}`;
    case 'archived':
    case 'restored':
    case 'deleted':
    case 'collected':
      return `version ${event.version} ${event.kind}`;
    case 'annotated':
      return `version ${event.version}: ${[...event.added.map((one) => `+${one}`), ...event.removed.map((one) => `-${one}`)].join(' ')}`;
    case 'signed':
      return `version ${event.version} signed with the key ${event.keyId}`;
    case 'signature-removed':
      return `version ${event.version}: the signature with the key ${event.keyId} was removed`;
    case 'verified':
      return `version ${event.version} verified${event.deep ? ', every byte read' : ''}: ${foundText(event)}`;
    case 'retention-set':
      return `retention: ${describeRules(event.rules)}`;
  }
}

function foundText({ problems, repaired }: { readonly problems: number; readonly repaired: number }): string {
  const found = [
    ...(problems === 0 ? [] : [`${problems} problems`]),
    ...(repaired === 0 ? [] : [`${repaired} mended`]),
  ];
  return found.length === 0 ? 'all is well' : found.join(', ');
}

function describeShares(traffic: Parameters<typeof describeTraffic>[0] & object): string {
  return traffic.kind === 'shadow' ? `shadowed by ${traffic.version}` : describeTraffic(traffic, 0);
}

/** Those that passed by name, those that failed with what they found. */
function describeGates(event: StoreEvent): string {
  const gates: readonly GateResult[] = 'gates' in event ? (event.gates ?? []) : [];
  const passed = gates.filter(({ outcome }) => outcome === 'passed').map(({ gate }) => gate);
  return [
    ...gates.filter(({ outcome }) => outcome === 'failed').map(({ gate, summary }) => `${gate} failed: ${summary}`),
    ...(passed.length === 0 ? [] : [`${passed.join(', ')} passed`]),
  ].join('; ');
}

function describeHistory(events: readonly StoreEvent[]): string {
  if (events.length === 0) return 'Nothing has happened yet';
  const rows = events.map((event) => [
    formatTime(event.at),
    describeEvent(event),
    event.by ?? '',
    event.message ?? '',
    describeGates(event),
  ]);
  return table(['WHEN (UTC)', 'WHAT', 'BY', 'WHY', 'GATES'], rows);
}
