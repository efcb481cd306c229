/**
 * Does random things to a store until its standard input ends, or it is killed. Says what it has done on standard
 * output, a line of JSON each: {"did": …} once the store has acknowledged it, {"failed": …} for what may not happen.
 *
 * Arguments: the store's URL, a name, a seed, the grace time of its collectors in ms.
 */
import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { openStore } from '../../dist/stores/index.js';
import { collectGarbage, verify } from '../../dist/registry/index.js';
import { contentsOf } from '../../dist/testing/drafts.js';

const [url = '', name = '', seed = '0', grace = '1000'] = process.argv.slice(2);
const MODELS = ['alpha', 'beta', 'gamma'];
const ALIASES = ['production', 'staging'];
const SEGMENT_BYTES = 20_000;
/** Contents are made of these, so that versions share most of what they need. */
const POOL = 100;
/** What a random schedule runs into by its nature: somebody else was faster. */
const EXPECTED = new Set(['ALIAS_CONFLICT', 'VERSION_NOT_FOUND', 'MODEL_NOT_FOUND', 'ALIAS_NOT_FOUND']);

/** Mulberry32: the same schedule for the same seed, as far as this process decides it. */
let state = Number(seed) >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
}
const pick = (items) => items[Math.floor(random() * items.length)];

/** Written at once, so that what was said before a kill is heard. */
function say(what) {
  writeSync(1, `${JSON.stringify(what)}\n`);
}

const segment = (text) => createHash('shake256', { outputLength: SEGMENT_BYTES }).update(text).digest();

/** A source that takes its time for what is new, while what is reused waits to be committed. */
function slow(source) {
  const pauseMs = 200 + random() * 1_000;
  return {
    async *open(path, range, options) {
      if (path.startsWith('z')) await delay(pauseMs);
      yield* source.open(path, range, options);
    },
  };
}

function contents() {
  const shared = Buffer.concat(Array.from({ length: 2 }, () => segment(`pool ${Math.floor(random() * POOL)}`)));
  const own = segment(`own ${Math.floor(random() * 1e9)}`);
  if (random() < 0.2) return contentsOf({ 'model.joblib': own }, { format: 'joblib', segmentBytes: SEGMENT_BYTES });
  const files = random() < 0.5 ? { 'a-trunk.bin': shared } : { 'a-trunk.bin': shared, 'z-head.bin': own };
  const made = contentsOf(files, { segmentBytes: SEGMENT_BYTES });
  return random() < 0.5 ? made : { ...made, source: slow(made.source) };
}

const store = await openStore(url, { pollIntervalMs: 500 });
let count = 0;

async function someVersion(model) {
  const versions = await store.listVersions({ model, deleted: true });
  return versions.length === 0 ? undefined : pick(versions);
}

const OPERATIONS = {
  async publish(message) {
    const { manifest, source } = contents();
    const draft = { model: pick(MODELS), manifest, message, force: random() < 0.3 };
    const { record, created } = await store.publish(draft, source);
    return created ? { model: record.model, version: record.version, digest: record.digest } : undefined;
  },
  async promote(message) {
    const target = await someVersion(pick(MODELS));
    if (target === undefined) return undefined;
    const { model, version: to } = target;
    const alias = pick(ALIASES);
    const now = (await store.listAliases({ model })).find((one) => one.alias === alias);
    const expect = random() < 0.5 ? { expect: now?.version ?? null } : {};
    const moved = await store.moveAlias({ model, alias, to, message, ...expect });
    return moved.from === moved.version ? undefined : { model, alias, from: moved.from, to, revision: moved.revision };
  },
  async state(message) {
    const target = await someVersion(pick(MODELS));
    const wanted = pick(['archived', 'deleted', 'deleted', 'deleted', 'deleted', 'ready']);
    if (target === undefined || target.state === wanted) return undefined;
    await store.setState(target.model, target.version, wanted, { message });
    return { model: target.model, version: target.version, state: wanted };
  },
  async gc() {
    const { collected, removed } = await collectGarbage(store, { graceMs: Number(grace), by: name });
    return { collected: collected.length, removed: removed.count, bytes: removed.bytes };
  },
  async verify() {
    const { findings, segments } = await verify(store, { deep: random() < 0.5 });
    for (const finding of findings) if (finding.severity === 'problem') say({ failed: { finding } });
    return { segments };
  },
};
const MIX = ['publish', 'publish', 'publish', 'promote', 'state', 'state', 'state', 'gc', 'verify'];

const end = new AbortController();
process.stdin.on('end', () => end.abort()).resume();
say({ open: true });
while (!end.signal.aborted) {
  const operation = pick(MIX);
  const message = `${name}-${(count += 1)}`;
  try {
    const result = await OPERATIONS[operation](message);
    if (result !== undefined) say({ did: { operation, message, ...result } });
  } catch (error) {
    const { code, message: why, stack } = error;
    if (EXPECTED.has(code)) say({ lost: { operation, code } });
    else say({ failed: { operation, code, why, stack } });
  }
}
await store.close();
