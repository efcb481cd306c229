import type { Command } from 'commander';
import {
  copy,
  exportOci,
  formatBytes,
  importOci,
  openStore,
  parseReference,
  versionName,
  type Copied,
  type Exported,
  type PublishResult,
} from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';

interface CopyFlags {
  readonly to: string;
  readonly withAliases?: boolean;
  readonly withHistory?: boolean;
}

/** `modelkeep copy`, `export` and `import`: versions between stores, and in and out of OCI image layouts. */
export function transferCommands(program: Command, world: World): void {
  copyCommand(program, world);
  exportCommand(program, world);
  importCommand(program, world);
}

function copyCommand(program: Command, world: World): void {
  const command = program
    .command('copy')
    .summary('copy a version, or all of a model, into another store')
    .description(
      'Sends only segments that the other store does not have; a copy that was cut off is repeated and goes on. A version keeps its number where the model never had a version of that number there.',
    )
    .argument('<ref>', 'a version such as sentiment:3, or a model: all its versions')
    .requiredOption('--to <URL>', 'the other store: file:///DIR or mongodb://HOST/DATABASE')
    .option('--with-aliases', 'point the aliases there at the copies, with what guards and splits them')
    .option('--with-history', 'copy the history, too')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep copy sentiment:3 --to mongodb://127.0.0.1:27017/models\n  $ modelkeep copy sentiment --to file:///backup/store --with-aliases --with-history',
    );
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: CopyFlags) =>
    invoke(world, { ...flags }, async ({ out, openStore: openOwn, settings, signal, user }) => {
      const reference = parseReference(ref);
      const store = await openOwn();
      await using other = await openStore(flags.to, settings.values);
      const copied = await copy(store, other, reference, {
        withAliases: flags.withAliases === true,
        withHistory: flags.withHistory === true,
        by: user,
        signal,
        onProgress: (version, progress) => out.progress(version, progress),
      });
      out.result(copied, describeCopy);
    }),
  );
}

function exportCommand(program: Command, world: World): void {
  const command = program
    .command('export')
    .summary('write a version as an OCI image layout')
    .description(
      'Writes an OCI image layout with the media types of ModelPack, each file one uncompressed layer, which oras or skopeo can carry to a registry. A layout that is there gets the version besides those that it has.',
    )
    .argument('<ref>', 'such as sentiment:3')
    .requiredOption('--oci <PATH>', 'the layout’s directory, or a file that ends in .tar')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep export sentiment:3 --oci ./layout\n  $ modelkeep export sentiment@production --oci sentiment.tar',
    );
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: { readonly oci: string }) =>
    invoke(world, { ...flags }, async ({ out, openStore: openOwn, signal }) => {
      const reference = parseReference(ref);
      const onProgress = (progress: { doneBytes: number; totalBytes: number }): void =>
        out.progress('writing', progress);
      out.result(await exportOci(await openOwn(), reference, flags.oci, { signal, onProgress }), describeExport);
    }),
  );
}

interface ImportFlags {
  readonly name?: string;
  readonly ref?: string;
  readonly force?: boolean;
}

function importCommand(program: Command, world: World): void {
  const command = program
    .command('import')
    .summary('publish a version from an OCI image layout')
    .description(
      'What modelkeep export wrote comes back byte for byte, with the same digest. ModelPack artifacts of other software are read too, if their layers are neither archived nor compressed.',
    )
    .argument('<path>', 'the layout’s directory, or a .tar file')
    .option('--name <MODEL>', 'the model’s name; absent: the one in the layout')
    .option('--ref <NAME>', 'which version of a layout that holds several, such as sentiment-3')
    .option('--force', 'publish it though it answers otherwise than the newest version')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep import ./layout\n  $ modelkeep import sentiment.tar --name acme/sentiment',
    );
  withSettings(command, STORE_SETTINGS).action(async (path: string, flags: ImportFlags) =>
    invoke(world, { ...flags }, async ({ out, openStore: openOwn, signal }) => {
      const imported = await importOci(await openOwn(), path, {
        signal,
        ...(flags.name === undefined ? {} : { name: flags.name }),
        ...(flags.ref === undefined ? {} : { refName: flags.ref }),
        force: flags.force,
        onProgress: (progress) => out.progress('sending', progress),
      });
      out.result(imported, describeImport);
    }),
  );
}

function describeCopy({ versions, aliases, events }: Copied): string {
  const lines = versions.map(({ source, record, created, sentBytes, reusedBytes }) => {
    const names =
      source.version === record.version ? versionName(record) : `${versionName(source)} as ${versionName(record)}`;
    if (!created) return `${names} is there already`;
    return `${names} copied: ${formatBytes(sentBytes)} sent, ${formatBytes(reusedBytes)} there already`;
  });
  return [
    ...lines,
    ...aliases.map(({ model, alias, version }) => `${model}@${alias} -> ${version}`),
    ...(events === 0 ? [] : [`${events} events of the history`]),
  ].join('\n');
}

function describeExport({ record, path, refName, bytes }: Exported): string {
  return `${versionName(record)} written to ${path}, ${formatBytes(bytes)}: carry it with oras cp --from-oci-layout ${path}:${refName} …, or skopeo copy ${path.endsWith('.tar') ? 'oci-archive' : 'oci'}:${path}:${refName} …`;
}

function describeImport({ record, created, sentBytes, reusedBytes }: PublishResult): string {
  if (!created) return `${versionName(record)} is the same already: no new version made`;
  return `${versionName(record)} imported: ${formatBytes(sentBytes)} sent, ${formatBytes(reusedBytes)} there already`;
}
