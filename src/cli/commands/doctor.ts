import { mkdir, statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import type { Command } from 'commander';
import pc from 'picocolors';
import { asModelkeepError, formatBytes, openModelkeep } from '../../app/index.js';
import { invoke, NODE_SETTINGS, withSettings, type Invocation, type World } from '../command.js';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Free bytes below which the cache's disk is reported: room for one model of 1.2 GB, the largest usual size. */
const LOW_DISK_BYTES = 1_200_000_000;

/** `modelkeep doctor`: is everything there that a node needs? */
export function doctorCommand(program: Command, world: World): void {
  const command = program
    .command('doctor')
    .summary('check that everything is there that a node needs')
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep doctor\n  $ modelkeep doctor --store mongodb://127.0.0.1:27017/models --json',
    );
  withSettings(command, NODE_SETTINGS).action(async (flags: object) =>
    invoke(world, { ...flags }, async (invocation) => {
      const checks = [
        machine(),
        await store(invocation),
        await disk(invocation),
        await runner(invocation),
        ...(await pickles(invocation)),
      ];
      const ok = checks.every((check) => check.ok);
      invocation.out.result({ ok, checks }, () => checks.map(describe).join('\n'));
      if (!ok) process.exitCode = 1;
    }),
  );
}

function machine(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  const detail = `Node.js ${process.versions.node}${ok ? '' : ', at least 20.19 is needed'}, ${availableParallelism()} cores, ${formatBytes(totalmem())} of memory`;
  return { name: 'machine', ok, detail };
}

async function store({ openStore, signal }: Invocation): Promise<Check> {
  try {
    const opened = await openStore();
    await opened.ping({ signal });
    return {
      name: 'store',
      ok: true,
      detail: `${opened.location} answers; changes arrive by ${opened.capabilities.changes}`,
    };
  } catch (error) {
    const { code, message } = asModelkeepError(error);
    return { name: 'store', ok: false, detail: `${code}: ${message}` };
  }
}

async function disk({ settings }: Invocation): Promise<Check> {
  const { cacheDir } = settings.values;
  try {
    await mkdir(cacheDir, { recursive: true });
    const { bavail, bsize } = await statfs(cacheDir);
    const free = bavail * bsize;
    const ok = free > LOW_DISK_BYTES;
    return {
      name: 'cache',
      ok,
      detail: `${cacheDir} has ${formatBytes(free)} free${ok ? '' : ', which is less than one large model'}`,
    };
  } catch (error) {
    return {
      name: 'cache',
      ok: false,
      detail: `${cacheDir}: ${(error as Error).message}; choose another with --cache-dir`,
    };
  }
}

async function runner({ settings }: Invocation): Promise<Check> {
  try {
    const started = performance.now();
    const keep = await openModelkeep({ ...settings.values, store: 'memory:', runners: 1 });
    const ms = Math.round(performance.now() - started);
    await keep.close();
    return { name: 'runner', ok: true, detail: `starts in ${ms} ms` };
  } catch (error) {
    return { name: 'runner', ok: false, detail: asModelkeepError(error).message };
  }
}

/** One check of the Python and its packages, and one of each part of its isolation. */
async function pickles({ settings }: Invocation): Promise<readonly Check[]> {
  const { allowPickle, python } = settings.values;
  if (allowPickle === 'off') {
    return [{ name: 'pickles', ok: true, detail: 'not loaded; start the node with --allow-pickle to allow them' }];
  }
  try {
    await using keep = await openModelkeep({ ...settings.values, store: 'memory:', runners: 1 });
    await keep.parts.pickles?.open();
    const [started] = keep.parts.pickles?.runners ?? [];
    const { result } = (await started?.call('stats', { op: 'stats' })) ?? {};
    const { packages = {}, isolation = {} } = result ?? {};
    const absent = Object.entries(packages).flatMap(([name, release]) => (release === null ? [name] : []));
    const missing = absent.filter((name) => name !== 'skops');
    const found = Object.entries(packages).flatMap(([name, release]) =>
      release === null ? [] : [`${name} ${release}`],
    );
    const why = missing.length === 0 ? '' : `; missing: ${missing.join(', ')}. Install with ${python} -m pip install`;
    const skops = absent.includes('skops') ? '; no skops, so skops files are not loaded' : '';
    const told = `allowed (${allowPickle}), ${found.join(', ')}${skops}${why}`;
    return [
      { name: 'pickles', ok: missing.length === 0, detail: told },
      ...Object.entries(isolation).map(([name, { inForce, detail }]) => {
        return { name: 'isolated', ok: inForce, detail: `${name}: ${inForce ? detail : `NOT in force, ${detail}`}` };
      }),
    ];
  } catch (error) {
    const { message } = asModelkeepError(error);
    return [{ name: 'pickles', ok: false, detail: `${message}. Name a Python with scikit-learn with --python` }];
  }
}

function describe({ name, ok, detail }: Check): string {
  return `${ok ? pc.green('ok  ') : pc.red('FAIL')} ${name.padEnd(8)} ${detail}`;
}
