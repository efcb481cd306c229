/** What publishing a checkpoint costs: cutting and hashing it, and from `push` to the first answer of another node. */
import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openModelkeep, openStore, push } from '../src/app/index.js';
import type { VersionStore } from '../src/core/index.js';
import { buildManifest, inspectArtifact, openDirectoryFiles, readSafetensorsHeader } from '../src/formats/index.js';
import { textOf } from './bert-base.js';
import { CHECKPOINTS, checkpointFolder } from './checkpoints-models.js';
import { quantile, type Figures } from './figures.js';
import { BENCH_FOLDER } from './node.js';

const WEIGHTS = 'model.safetensors';
const READ_BYTES = 4 * 1024 * 1024;
const MB = 1_000_000;

/** The sha256 of a file, read in pieces of 4 MiB into one buffer. */
async function hashPlainly(path: string): Promise<number> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  const file = await open(path, 'r');
  let bytes = 0;
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } finally {
    await file.close();
  }
  hash.digest();
  return bytes;
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1_000;
}

/** Cutting and hashing beside hashing alone, in turn. */
export async function benchHashing(figures: Figures, quick: boolean): Promise<void> {
  figures.heading('Cutting and hashing BERT-base (438 MB), in turn with plain sha256 of its weights');
  const folder = checkpointFolder(1);
  const artifact = await inspectArtifact(folder);
  const path = join(folder, WEIGHTS);
  // Both read what the system has in memory already.
  const bytes = await hashPlainly(path);
  const plain: number[] = [];
  const own: number[] = [];
  for (let round = 0; round < (quick ? 3 : 9); round++) {
    plain.push(await seconds(() => hashPlainly(path)));
    own.push(await seconds(() => buildManifest(artifact)));
  }
  const [sha, cut] = [quantile(plain, 0.5), quantile(own, 0.5)];
  figures.add({ name: 'plain sha256 in Node', value: bytes / MB / sha, unit: 'MB/s' });
  figures.add({ name: 'cutting and hashing', value: bytes / MB / cut, unit: 'MB/s' });
  figures.add({ name: 'cutting and hashing / plain', value: sha / cut, unit: '×', bar: { least: 0.7 } });
}

/** Digest and bytes of each tensor of a checkpoint. */
async function tensorsOf(directory: string): Promise<Map<string, { readonly digest: string; readonly bytes: number }>> {
  const files = openDirectoryFiles(directory, [WEIGHTS]);
  const read = (start: number, end: number): Promise<Buffer> => files.read(WEIGHTS, { start, end });
  const { tensors } = await readSafetensorsHeader(WEIGHTS, files.size(WEIGHTS) ?? 0, read);
  const found = new Map<string, { readonly digest: string; readonly bytes: number }>();
  for (const { name, start, end } of tensors.values()) {
    const bytes = await read(start, end);
    found.set(name, { digest: createHash('sha256').update(bytes).digest('hex'), bytes: end - start });
  }
  return found;
}

/** Bytes of the tensors of `folder` that `other` does not have under the same name with the same contents. */
async function changedBytes(folder: string, other: string): Promise<number> {
  const theirs = await tensorsOf(other);
  const changed = [...(await tensorsOf(folder))].filter(([name, { digest }]) => theirs.get(name)?.digest !== digest);
  return changed.reduce((sum, [, { bytes }]) => sum + bytes, 0);
}

/** A store on this disk that is read as one elsewhere: nothing is linked, everything is transferred. */
function asIfFar(store: VersionStore): VersionStore {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'segmentFile') return undefined;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** From `push` of a fine-tune to its first answer on a node that holds another one of the same trunk. */
export async function benchTransfer(figures: Figures, quick: boolean): Promise<void> {
  figures.heading('push of a fine-tune of BERT-base to its first answer on a node that holds one of the same trunk');
  const folder = join(BENCH_FOLDER, 'checkpoints');
  await rm(folder, { recursive: true, force: true });
  const store = await openStore(join(folder, 'store'));
  try {
    const options = { store: asIfFar(store), cacheDir: join(folder, 'node'), runners: 2, threads: 1 };
    await using keep = await openModelkeep(options);
    let fetched = 0;
    keep.parts.residency.on('fetched', (_record, bytes) => (fetched += bytes));
    const text = textOf(20);
    await push(store, checkpointFolder(1), { name: 'sentiment' });
    await keep.predict('sentiment', text);
    const changed = await changedBytes(checkpointFolder(2), checkpointFolder(1));
    const totalMs: number[] = [];
    const pushMs: number[] = [];
    const sent: number[] = [];
    const received: number[] = [];
    for (let at = 2; at <= (quick ? 3 : CHECKPOINTS); at++) {
      fetched = 0;
      const started = performance.now();
      const pushed = await push(store, checkpointFolder(at), { name: 'sentiment' });
      pushMs.push(performance.now() - started);
      const { record } = await keep.predict('sentiment', text, { freshness: 'checked' });
      totalMs.push(performance.now() - started);
      if (record.version !== pushed.record.version) throw new Error(`Version ${record.version} answered`);
      sent.push(pushed.sentBytes);
      received.push(fetched);
    }
    figures.add({ name: 'push alone', value: quantile(pushMs, 0.5), unit: 'ms' });
    figures.add({ name: 'push to first answer', value: quantile(totalMs, 0.5) / 1_000, unit: 's', bar: { most: 1 } });
    figures.add({ name: 'bytes of the changed tensors', value: changed / MB, unit: 'MB' });
    const most = { most: 1.01 };
    figures.add({ name: 'bytes sent by push / changed', value: Math.max(...sent) / changed, unit: '×', bar: most });
    figures.add({ name: 'bytes fetched / changed', value: Math.max(...received) / changed, unit: '×', bar: most });
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
}
