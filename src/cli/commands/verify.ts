import type { Command } from 'commander';
import {
  cacheSource,
  formatBytes,
  ModelkeepError,
  openStore,
  parseBytes,
  parseReference,
  readKeyFiles,
  storeSource,
  verify,
  verifySignatures,
  versionName,
  type TrustedKey,
  type VersionStore,
  type Finding,
  type Verified,
  type VerifyOptions,
} from '../../app/index.js';
import { invoke, STORE_SETTINGS, withSettings, type Invocation, type World } from '../command.js';
import { openVerifiedFile } from '../verified-file.js';

interface Flags {
  readonly deep?: boolean;
  readonly repair?: boolean;
  readonly from?: string;
  readonly rate?: string;
  readonly concurrency?: string;
  readonly resume?: string;
  readonly key?: readonly string[];
}

/** `modelkeep verify`: check what is stored, and mend it. */
export function verifyCommand(program: Command, world: World): void {
  const command = program
    .command('verify')
    .summary('check what is stored, and mend it')
    .description(
      'Checks that every manifest is the one that was published and every segment is there; with --deep reads and hashes every byte. Tells also what no version needs. Exits with 6 if something is missing or damaged and was not mended.',
    )
    .argument('[ref]', 'one version; absent: the whole store')
    .option('--deep', 'read and hash every byte')
    .option('--repair', 'mend from the cache of this machine (--cache-dir) and from --from')
    .option('--from <URL>', 'another store that may hold whole copies')
    .option('--rate <BYTES>', 'bytes a second that are read at the most, such as 50MB')
    .option('--concurrency <N>', 'segments that are read at once (default: 2)')
    .option('--resume <FILE>', 'remember there what was found good, and go on from there; removed when all is done')
    .option('--key <FILES...>', 'public keys (PEM); every version must be signed with one of them')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep verify\n  $ modelkeep verify sentiment@production --key release.pem.pub\n  $ modelkeep verify sentiment@production --deep\n  $ modelkeep verify --deep --rate 50MB --resume verify.state\n  $ modelkeep verify --deep --repair --from mongodb://127.0.0.1:27017/backup',
    );
  withSettings(command, [...STORE_SETTINGS, 'cacheDir']).action(async (ref: string | undefined, flags: Flags) =>
    invoke(world, { ...flags }, (invocation) => verifyAll(invocation, ref, flags)),
  );
}

async function verifyAll(invocation: Invocation, ref: string | undefined, flags: Flags): Promise<void> {
  const { out, signal, settings } = invocation;
  const reference = ref === undefined ? {} : { reference: parseReference(ref) };
  const options: VerifyOptions = {
    ...reference,
    ...limits(flags),
    deep: flags.deep === true,
    repair: flags.repair === true,
    record: true,
    by: invocation.user,
    signal,
    onProgress: (progress) => out.progress('reading', progress),
  };
  const trusted = flags.key === undefined ? undefined : await readKeyFiles(flags.key);
  const resumed = flags.resume === undefined ? undefined : openVerifiedFile(flags.resume);
  const store = await invocation.openStore();
  const signatures = trusted === undefined ? {} : { signatures: await provenSignatures(store, options, trusted) };
  await using other = flags.from === undefined ? undefined : await openStore(flags.from, settings.values);
  const sources = [cacheSource(settings.values.cacheDir), ...(other === undefined ? [] : [storeSource(other)])];
  const verified = await verify(store, {
    ...options,
    sources,
    ...(resumed === undefined ? {} : { verified: resumed }),
  });
  await resumed?.finish();
  out.result({ ...verified, ...signatures }, describe);
  if (verified.notRecorded !== undefined) out.note(`The history does not tell of it: ${verified.notRecorded}`);
  if (verified.problems === 0) return;
  throw new ModelkeepError(
    'DIGEST_MISMATCH',
    `${verified.problems} problems in ${store.location}${flags.repair === true ? ' could not be mended' : ': mend them with --repair'}`,
  );
}

/** Who signed each version. @throws ModelkeepError `GATE_FAILED` for one that none of the keys did */
async function provenSignatures(
  store: VersionStore,
  { reference, signal }: VerifyOptions,
  trusted: readonly TrustedKey[],
): Promise<Readonly<Record<string, string>>> {
  const options = signal === undefined ? {} : { signal };
  const records =
    reference === undefined ? await store.listVersions({}, options) : [await store.resolve(reference, options)];
  const proven: Record<string, string> = {};
  for (const record of records) {
    const manifest = await store.readManifest(record, options);
    proven[versionName(record)] = (await verifySignatures(store, record, manifest, trusted, options)).keyId;
  }
  return proven;
}

function limits({ rate, concurrency }: Flags): Pick<VerifyOptions, 'bytesPerSecond' | 'concurrency'> {
  const bytesPerSecond = rate === undefined ? undefined : parseBytes(rate);
  if (bytesPerSecond === 0) throw new ModelkeepError('INVALID_INPUT', '--rate 0 would never end: leave it out');
  const parallel = concurrency === undefined ? undefined : Number(concurrency);
  if (parallel !== undefined && !(Number.isSafeInteger(parallel) && parallel >= 1 && parallel <= 64)) {
    throw new ModelkeepError(
      'INVALID_INPUT',
      `--concurrency ${JSON.stringify(concurrency)} is not a number from 1 to 64`,
    );
  }
  return {
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(parallel === undefined ? {} : { concurrency: parallel }),
  };
}

type Shown = Verified & { readonly signatures?: Readonly<Record<string, string>> };

function describe({ deep, versions, segments, readBytes, skippedBytes, findings, problems, ...more }: Shown): string {
  const how = deep ? `${formatBytes(readBytes)} read` : 'not read (--deep reads every byte)';
  const skipped = skippedBytes === 0 ? '' : `, ${formatBytes(skippedBytes)} found good by an earlier run`;
  const notes = findings.filter(({ severity }) => severity === 'note');
  const spare = notes.reduce((sum, { bytes }) => sum + bytes, 0);
  const signed = Object.entries(more.signatures ?? {}).map(
    ([name, keyId]) => `${name} is signed with the key ${keyId}`,
  );
  return [
    ...signed,
    ...findings.filter(({ severity }) => severity === 'problem').map(describeFinding),
    ...(notes.length === 0
      ? []
      : [`${notes.length} things with ${formatBytes(spare)} are needed by no version: modelkeep gc removes them`]),
    `${versions} versions, ${segments} segments, ${how}${skipped}: ${problems === 0 ? 'all is well' : `${problems} problems`}`,
  ].join('\n');
}

function describeFinding({ kind, places, segment, meaning, repaired, repairNote }: Finding): string {
  const where = places.map(({ version, path }) => (path === undefined ? version : `${version} ${path}`)).join(', ');
  const mended = repairNote === undefined ? '' : `\n  ${repaired === true ? 'mended' : 'not mended'}: ${repairNote}`;
  return `${kind} ${where}${segment === undefined ? '' : ` ${segment}`}\n  ${meaning}${mended}`;
}
