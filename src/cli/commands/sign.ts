import { open, readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import {
  listSignatures,
  ModelkeepError,
  newSigningKey,
  parseReference,
  readPrivateKey,
  removeSignature,
  sign,
  versionName,
  type Signed,
} from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type World } from '../command.js';
import { formatTime, table } from '../output.js';

interface SignFlags {
  readonly key: string;
  readonly message?: string;
}

/** `modelkeep sign`: say with a key that a version is what it should be. */
export function signCommand(program: Command, world: World): void {
  const command = program
    .command('sign')
    .summary('sign a version with a key')
    .description(
      'Reads every byte of a version and signs what it consists of. Nodes with --require-signature load nothing else.',
    )
    .argument('<ref>', 'such as sentiment:3 or sentiment@production')
    .requiredOption('--key <FILE>', 'private Ed25519 key (PEM, PKCS8), as "modelkeep signing-key new" makes it')
    .option('-m, --message <TEXT>', 'why, for the history')
    .addHelpText('after', '\nExamples:\n  $ modelkeep sign sentiment:3 --key release.pem');
  withSettings(command, STORE_SETTINGS).action(async (ref: string, flags: SignFlags) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal, user }) => {
      const reference = parseReference(ref);
      const key = readPrivateKey(await readKeyFile(flags.key), flags.key);
      const { message } = flags;
      const signed = await sign(await openStore(), reference, key, {
        signal,
        by: user,
        ...(message === undefined ? {} : { message }),
        onProgress: (progress) => out.progress('reading', progress),
      });
      out.result(signed, describeSigned);
    }),
  );
}

/** `modelkeep signature list|rm`: what keys signed a version. */
export function signatureCommand(program: Command, world: World): void {
  const group = program
    .command('signature')
    .summary('list or remove signatures of a version')
    .addHelpText('after', '\nExamples:\n  $ modelkeep signature list sentiment:3');
  const list = group
    .command('list')
    .summary('list the signatures of a version, without proving them')
    .argument('<ref>', 'such as sentiment:3')
    .addHelpText('after', '\nExamples:\n  $ modelkeep signature list sentiment:3 --json');
  withSettings(list, STORE_SETTINGS).action(async (ref: string, flags: object) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal }) => {
      const reference = parseReference(ref);
      const store = await openStore();
      const found = await listSignatures(store, await store.resolve(reference, { signal }), { signal });
      out.result(found, (signatures) =>
        signatures.length === 0
          ? 'No signatures. Sign it: modelkeep sign REF --key FILE'
          : table(
              ['KEY', 'SIGNED (UTC)', 'BY'],
              signatures.map(({ keyId, signedAt, by }) => [keyId, formatTime(signedAt), by ?? '']),
            ),
      );
    }),
  );
  const remove = group
    .command('rm')
    .summary('remove a signature')
    .argument('<ref>', 'such as sentiment:3')
    .argument('<key-id>', 'as "signature list" shows it')
    .option('-m, --message <TEXT>', 'why, for the history')
    .addHelpText('after', '\nExamples:\n  $ modelkeep signature rm sentiment:3 KEY-ID -m "the key was lost"');
  withSettings(remove, STORE_SETTINGS).action(async (ref: string, keyId: string, flags: Omit<SignFlags, 'key'>) =>
    invoke(world, { ...flags }, async ({ out, openStore, signal, user }) => {
      const reference = parseReference(ref);
      const { message } = flags;
      const options = { signal, by: user, ...(message === undefined ? {} : { message }) };
      const record = await removeSignature(await openStore(), reference, keyId, options);
      out.result({ record, keyId, removed: true }, () => `${versionName(record)}: the signature was removed`);
    }),
  );
}

/** `modelkeep signing-key new`: a pair of keys for `sign` and `--require-signature`. */
export function signingKeyCommand(program: Command, world: World): void {
  const group = program.command('signing-key').summary('make keys for signing');
  const command = group
    .command('new')
    .summary('make a pair of Ed25519 keys')
    .argument('<file>', 'where the private key goes (readable by you alone); the public one goes to FILE.pub')
    .option('--json', 'one JSON document on standard output')
    .addHelpText('after', '\nExamples:\n  $ modelkeep signing-key new release.pem');
  command.action(async (file: string, flags: object) =>
    invoke(world, { ...flags }, async ({ out }) => {
      const { privateKey, publicKey, keyId } = newSigningKey();
      await writeNew(file, privateKey, 0o600);
      await writeNew(`${file}.pub`, publicKey, 0o644);
      out.result({ privateKey: file, publicKey: `${file}.pub`, keyId }, (made) =>
        [
          `Private key ${made.privateKey}, public key ${made.publicKey}, id ${keyId}`,
          `Keep the private one secret. Nodes take the public one: --require-signature ${made.publicKey}`,
        ].join('\n'),
      );
    }),
  );
}

async function readKeyFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const { message } = error as Error;
    throw new ModelkeepError('INVALID_INPUT', `The key ${path} cannot be read: ${message}`, { cause: error });
  }
}

/** Never over a file that is there: a lost key cannot be made again. */
async function writeNew(path: string, text: string, mode: number): Promise<void> {
  try {
    const handle = await open(path, 'wx', mode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'it is there already: choose another name' : message;
    throw new ModelkeepError('INVALID_INPUT', `Cannot write ${path}: ${why}`, { cause: error });
  }
}

function describeSigned({ record, keyId, files }: Signed): string {
  return `${versionName(record)} signed with the key ${keyId}: ${files} files, every byte read`;
}
