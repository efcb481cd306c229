import type { Command } from 'commander';
import { formatBytes, parseReference, pull, versionName, type Pulled } from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';

/** `modelkeep pull`: write the files of a version into a directory. */
export function pullCommand(program: Command, world: World): void {
  const command = program
    .command('pull')
    .summary('write the files of a version into a directory')
    .argument('<ref>', 'such as sentiment, sentiment:3 or sentiment@production')
    .argument('<dir>', 'the directory; made if it is not there')
    .option('--force', 'write into a directory that is not empty')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep pull sentiment@production ./model\n  $ modelkeep pull sentiment:3 ./old --force',
    );
  withSettings(command, STORE_SETTINGS).action(
    async (ref: string, directory: string, flags: { readonly force?: boolean }) =>
      invoke(world, { ...flags }, async ({ out, openStore, signal }) => {
        const reference = parseReference(ref);
        const store = await openStore();
        const onProgress = (progress: { doneBytes: number; totalBytes: number }): void =>
          out.progress('reading', progress);
        out.result(
          await pull(store, reference, directory, { signal, onProgress, force: flags.force === true }),
          describe,
        );
      }),
  );
}

function describe({ record, directory, files, bytes }: Pulled): string {
  return `${versionName(record)} written to ${directory}: ${files.length} files, ${formatBytes(bytes)}`;
}
