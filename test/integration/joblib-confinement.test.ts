import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Modelkeep } from '../../src/app/index.js';
import { pythonRunnerCommand, Runner, type RunnerStats } from '../../src/runners/index.js';
import { estimatorThatRuns, expectIrisToAnswer, matrix, pickleHome, sklearnPython } from './joblib-harness.js';
import type { PickleHome } from './joblib-harness.js';

const python = await sklearnPython();
/** What confines a runner on this machine. */
const isolation = await isolationHere();
const isConfined = ['files', 'systemCalls', 'privileges'].every((part) => isolation[part]?.inForce === true);

let home: PickleHome;
let listener: Server;
let visits = 0;

beforeAll(async () => {
  home = pickleHome();
  await home.publishIris('iris', 'mymodel_v1.joblib');
  await home.publishIris('graph', 'mymodel_v1_nozipmap.onnx');
  listener = createServer((socket) => {
    visits += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
}, 320_000);

afterAll(async () => {
  listener.close();
  await once(listener, 'close');
  home[Symbol.dispose]();
});

async function isolationHere(): Promise<NonNullable<RunnerStats['isolation']>> {
  const limits = { threads: 1, maxMemoryBytes: 4_294_967_296, callTimeoutMs: 60_000 };
  const runner = await Runner.start(pythonRunnerCommand({ python, allow: 'safe', segmentsFolder: '/', ...limits }));
  try {
    return (await runner.call('stats', { op: 'stats' })).result.isolation ?? {};
  } finally {
    await runner.close();
  }
}

const marker = (): string => join(home.folder, 'harm');

/** Processes whose group is led by this one. */
function groupOf(leader: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        // The fields after the name in brackets: state, parent, group.
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]) === leader;
      } catch {
        // It has ended since the folder was read.
        return false;
      }
    })
    .map(Number);
}

/** What an estimator's code met when it tried these, in a node that lets pickles import anything. */
async function metBy(keep: Modelkeep, model: string, source: string): Promise<readonly unknown[]> {
  await home.publish(model, estimatorThatRuns(source));
  const hostile = await keep.load(model);
  const { tensors } = await hostile.infer({ tensors: matrix([[1]]) });
  const [, runner] = keep.status().runners;
  expect(groupOf(runner?.pid ?? 0)).toEqual([runner?.pid]);
  await expectIrisToAnswer(keep);
  return tensors.predict?.data as readonly string[];
}

describe.runIf(isConfined)('code that runs, because the operator trusts every publisher', () => {
  let keep: Modelkeep;
  const lines: string[] = [];
  beforeAll(async () => {
    process.env['MODELKEEP_STORE_PASSWORD'] = 'hunter2';
    keep = await home.open(python, { allowPickle: 'any', onRunnerLog: (line) => lines.push(line) });
    await keep.load('iris');
  }, 60_000);
  afterAll(async () => {
    await keep.close();
    delete process.env['MODELKEEP_STORE_PASSWORD'];
  });

  it('cannot start programs or processes', async () => {
    const met = await metBy(
      keep,
      'starts',
      `import os, subprocess
attempt(lambda: os.system("touch ${marker()}") == 0)
attempt(lambda: subprocess.run(["touch", "${marker()}"]))
attempt(lambda: os.execv("/bin/touch", ["touch", "${marker()}"]))
for _ in range(100): attempt(os.fork)`,
    );
    expect(met.slice(0, 3)).toEqual(['False', 'PermissionError', 'PermissionError']);
    expect(new Set(met.slice(3))).toEqual(new Set(['PermissionError']));
    expect(existsSync(marker())).toBe(false);
  });

  it('cannot read or write what is not its own', async () => {
    const secret = join(home.folder, 'secret');
    writeFileSync(secret, 'hunter2');
    const met = await metBy(
      keep,
      'reads',
      `import os, glob
attempt(lambda: open("/etc/passwd").read())
attempt(lambda: open("${secret}").read())
attempt(lambda: os.listdir("/root" if os.path.isdir("/root") else "/home"))
attempt(lambda: open("${marker()}", "w"))
attempt(lambda: open("/proc/%d/environ" % os.getppid()).read())
attempt(lambda: open(os.path.join("${join(home.folder, 'cache')}", "x"), "w"))
attempt(lambda: open("own", "w").write("mine"))
attempt(lambda: open("own").read())`,
    );
    expect(met).toEqual([...Array<string>(6).fill('PermissionError'), '4', "'mine'"]);
    expect(existsSync(marker())).toBe(false);
    expect(readFileSync(secret, 'utf8')).toBe('hunter2');
  });

  it('finds no secret in its environment and no descriptor of the node', async () => {
    const met = await metBy(
      keep,
      'snoops',
      `import os, stat
attempt(lambda: sorted(name for name in os.environ if "MODELKEEP" in name))
attempt(lambda: "hunter2" in repr(dict(os.environ)))
def sockets():
    found = []
    for fd in range(256):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode): found.append(fd)
        except OSError: pass
    return found
attempt(sockets)`,
    );
    // 3 is the channel to the node, 4 takes the runner's words for the node's log.
    expect(met).toEqual(['[]', 'False', '[3, 4]']);
  });

  it('cannot open sockets', async () => {
    const { port } = listener.address() as AddressInfo;
    const met = await metBy(
      keep,
      'talks',
      `import socket
attempt(lambda: socket.create_connection(("127.0.0.1", ${port}), 5))
attempt(lambda: socket.socket(socket.AF_UNIX))
attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))`,
    );
    expect(met).toEqual(['PermissionError', 'PermissionError', 'PermissionError']);
    expect(visits).toBe(0);
  });

  it('cannot end or watch other processes, nor take its limits back', async () => {
    const met = await metBy(
      keep,
      'kills',
      `import os, resource, signal, ctypes
attempt(lambda: os.kill(os.getppid(), signal.SIGKILL))
attempt(lambda: os.kill(${process.pid}, signal.SIGKILL))
attempt(lambda: os.killpg(os.getpgid(os.getppid()), signal.SIGKILL))
attempt(lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)))
attempt(os.setsid)
attempt(lambda: ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0))
attempt(lambda: os.setuid(0) if os.getuid() else (_ for _ in ()).throw(OSError()))`,
    );
    expect(met.slice(0, 3)).toEqual(Array(3).fill('PermissionError'));
    expect(met.slice(3, 6)).toEqual(['ValueError', 'PermissionError', '-1']);
    expect(met[6]).not.toBe('None');
  });

  it('can print as much as it likes, to nobody', async () => {
    const met = await metBy(
      keep,
      'prints',
      `import os, sys
sys.stdout.write("x" * 10_000_000)
sys.stderr.write("y" * 10_000_000)
os.write(1, b"z" * 1_000_000)
os.write(2, b"z" * 1_000_000)
attempt(lambda: "printed")`,
    );
    expect(met).toEqual(["'printed'"]);
    expect(lines.join('')).not.toMatch(/xxx|yyy|zzz/);
  });

  it('gets no more memory than it may have', async () => {
    await home.publish('eats', estimatorThatRuns('eaten = []\nwhile True: eaten.append(bytearray(1 << 26))'));
    await using small = await home.open(python, { allowPickle: 'any', pickleMaxMemory: 2_147_483_648 });
    await expect(small.load('eats')).rejects.toMatchObject({ code: 'OUT_OF_BUDGET' });
    await expectIrisToAnswer(small);
  });

  it('is killed when it never ends, and the runner is replaced', async () => {
    await home.publish('sleeps', estimatorThatRuns('import time\ntime.sleep(10 ** 6)'));
    await home.publish('spins', estimatorThatRuns('while True: pass'));
    await using quick = await home.open(python, { allowPickle: 'any', requestTimeoutMs: 16_000 });
    await quick.load('iris');
    const [graphRunner, first] = quick.status().runners.map(({ pid }) => pid);
    for (const model of ['sleeps', 'spins']) {
      await expect(quick.load(model)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
      await expectIrisToAnswer(quick);
    }
    const [sameRunner, last] = quick.status().runners.map(({ pid }) => pid);
    expect(sameRunner).toBe(graphRunner);
    expect(last).not.toBe(first);
    expect(groupOf(first ?? 0)).toEqual([]);
    expect(quick.status().runnerRestarts).toBe(2);
  }, 120_000);

  it('is replaced when it ends its process', async () => {
    await home.publish('ends', estimatorThatRuns('import os\nos._exit(7)'));
    await expect(keep.load('ends')).rejects.toMatchObject({ code: 'RUNNER_CRASHED' });
    await expectIrisToAnswer(keep);
  });

  it('cannot break the channel for more than itself', async () => {
    await home.publish('forges', estimatorThatRuns('import os\nos.write(3, b"\\\\xff" * 64)'));
    await expect(keep.load('forges')).rejects.toMatchObject({ code: 'RUNNER_CRASHED' });
    await expectIrisToAnswer(keep);
  });
});

describe('the isolation', () => {
  it('says of each part whether it is in force, and why not', () => {
    expect(Object.keys(isolation)).toEqual(
      expect.arrayContaining(['privileges', 'network', 'limits', 'files', 'systemCalls']),
    );
    for (const { detail } of Object.values(isolation)) expect(detail).not.toBe('');
  });

  it.runIf(process.platform === 'linux')('has limits and takes privileges on every Linux', () => {
    expect([isolation['limits']?.inForce, isolation['privileges']?.inForce]).toEqual([true, true]);
  });

  it.runIf(process.platform === 'linux')('leaves no folder and no process behind', async () => {
    const keep = await home.open(python);
    await keep.load('iris');
    const [, runner] = keep.status().runners;
    const folder = readFileSync(`/proc/${runner?.pid}/environ`, 'utf8').match(/TMPDIR=([^\0]+)/)?.[1] ?? '';
    expect(existsSync(folder)).toBe(true);
    await keep.close();
    expect(existsSync(folder)).toBe(false);
    expect(groupOf(runner?.pid ?? 0)).toEqual([]);
  });
});
