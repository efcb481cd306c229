import type { Command } from 'commander';
import {
  ModelkeepError,
  parseReference,
  versionName,
  type AnnotationChange,
  type AnnotationValue,
  type VersionRecord,
} from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';

interface Flags {
  readonly message?: string;
}

/** `modelkeep tag add|rm`: marks of versions. */
export function tagCommand(program: Command, world: World): void {
  const group = program
    .command('tag')
    .summary('add tags to a version, or remove them')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep tag add sentiment:3 prod reviews\n  $ modelkeep tag rm sentiment:3 old',
    );
  const verbs = [
    ['add', 'add tags to a version', 'addTags'],
    ['rm', 'remove tags from a version', 'removeTags'],
  ] as const;
  for (const [name, summary, field] of verbs) {
    const command = group
      .command(name)
      .summary(summary)
      .argument('<ref>', 'the version, such as sentiment:3 or sentiment@production')
      .argument('<tags...>', 'such as prod')
      .option('-m, --message <TEXT>', 'why, for the history')
      .addHelpText('after', `\nExamples:\n  $ modelkeep tag ${name} sentiment:3 prod`);
    withSettings(command, STORE_SETTINGS).action(async (ref: string, tags: readonly string[], flags: Flags) =>
      change(world, ref, { [field]: tags }, flags),
    );
  }
}

/** `modelkeep annotate`: facts of a version that may change. */
export function annotateCommand(program: Command, world: World): void {
  const command = program
    .command('annotate')
    .summary('set facts of a version that may change')
    .argument('<ref>', 'the version, such as sentiment:3 or sentiment@production')
    .argument('<facts...>', 'key=value; a number, true, false or a text; key= removes one')
    .option('-m, --message <TEXT>', 'why, for the history')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep annotate sentiment:3 owner=ann reviewed=true\n  $ modelkeep annotate sentiment:3 owner=',
    );
  withSettings(command, STORE_SETTINGS).action(async (ref: string, facts: readonly string[], flags: Flags) =>
    change(world, ref, { annotations: Object.fromEntries(facts.map(factOf)) }, flags),
  );
}

async function change(world: World, ref: string, what: AnnotationChange, flags: Flags): Promise<void> {
  await invoke(world, { ...flags }, async ({ out, openStore, signal, user }) => {
    const reference = parseReference(ref);
    const store = await openStore();
    const record = await store.resolve(reference, { signal });
    const { message } = flags;
    out.result(
      await store.annotate(record, what, { by: user, ...(message === undefined ? {} : { message }) }),
      describe,
    );
  });
}

function factOf(text: string): [string, AnnotationValue | null] {
  const at = text.indexOf('=');
  if (at < 1) throw new ModelkeepError('INVALID_INPUT', `${JSON.stringify(text)} is no fact: write key=value`);
  const value = text.slice(at + 1);
  return [text.slice(0, at), valueOf(value)];
}

function valueOf(text: string): AnnotationValue | null {
  if (text === '') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
}

function describe(record: VersionRecord): string {
  const facts = Object.entries(record.annotations ?? {}).map(([key, value]) => `${key}=${value}`);
  const tags = record.tags?.join(' ') ?? '';
  return `${versionName(record)}: ${[tags === '' ? 'no tags' : `tags ${tags}`, ...facts].join(', ')}`;
}
