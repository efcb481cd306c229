import { afterEach, beforeEach, expect, test } from 'vitest';
import { cliHome, fixture, type CliHome, type Running } from '../e2e/cli-harness.js';

let home: CliHome;
const servers: Running[] = [];

beforeEach(() => {
  home = cliHome();
});

afterEach(async () => {
  for (const { child, ended } of servers.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
  home[Symbol.dispose]();
});

async function startServe(): Promise<string> {
  const running = home.start(['serve', '--port', '0', '--log-level', 'warn', '--preload', 'sentiment@production'], {
    patienceMs: 110_000,
  });
  servers.push(running);
  await running.says('stdout', '\n');
  return /http:[^\s"]+/.exec(running.said('stdout'))?.[0] ?? '';
}

/** The version that answers, and what it says. */
async function ask(url: string): Promise<{ readonly version: string | null; readonly label: string | undefined }> {
  const response = await fetch(`${url}/models/sentiment@production`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-modelkeep-key': 'user-1' },
    body: JSON.stringify({ inputs: 'Absolutely wonderful, I loved every minute of it!' }),
  });
  const [answer] = (await response.json()) as { readonly label: string }[];
  return { version: response.headers.get('x-modelkeep-version'), label: answer?.label };
}

/** Asks all servers until each answers with a version. */
async function untilAll(urls: readonly string[], version: string): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    const answers = await Promise.all(urls.map(ask));
    if (answers.every((answer) => answer.version === version)) return;
    if (performance.now() - startedMs > 10_000) throw new Error(`They answer ${JSON.stringify(answers)}`);
  }
}

test(
  'a version is published, held to what it carries, promoted, replaced and gone back to, and history tells it',
  { timeout: 120_000 },
  async () => {
    const evidence = ['--golden', fixture('sentiment/v2/golden.jsonl'), '--eval', fixture('sentiment/eval.jsonl')];
    await home.run(['push', fixture('sentiment/v2'), '--name', 'sentiment', ...evidence]);
    const first = await home.run(['promote', 'sentiment:1', '--to', 'production', '-m', 'first']);
    expect(first).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/parity passed: 68[^]*accuracy 0\.804 on 500/),
    });
    for (const next of ['v4-bad', 'v3-head'])
      await home.run(['push', fixture(`sentiment/${next}`), '--name', 'sentiment']);
    const urls = await Promise.all([startServe(), startServe()]);

    const refused = await home.run(['promote', 'sentiment:2', '--to', 'production']);
    expect(refused).toMatchObject({ code: 4, stdout: '' });
    expect(refused.stderr).toMatch(/accuracy 0\.804 -> 0\.182 on 500 examples/);
    // The worst examples: what was asked, what is right, what the version says.
    expect(refused.stderr.match(/^ +\d+ .* POSITIVE .*NEGATIVE/gm)?.length).toBeGreaterThan(0);

    const promoted = await home.run(['promote', 'sentiment:3', '--to', 'production', '-m', 'new head']);
    expect(promoted).toMatchObject({ code: 0, stdout: expect.stringContaining('sentiment@production: 1 -> 3') });
    expect(promoted.stdout).toContain(
      'tensors: 2 changed (classifier.bias, classifier.weight), 39 the same; 33.2 kB of',
    );
    await untilAll(urls, '3');

    const rolledBack = await home.run(['rollback', 'sentiment@production', '-m', 'drift']);
    await untilAll(urls, '1');
    expect(rolledBack).toMatchObject({ code: 0, stdout: 'sentiment@production: 3 -> 1\n' });
    expect(await Promise.all(urls.map(ask))).toEqual([
      { version: '1', label: 'POSITIVE' },
      { version: '1', label: 'POSITIVE' },
    ]);

    const { stdout } = await home.run(['history', 'sentiment@production']);
    expect(stdout.trimEnd().split('\n').slice(1)).toEqual([
      expect.stringMatching(/3 -> 1, rollback .* drift/),
      expect.stringMatching(/1 -> 3 .* new head +quality passed/),
      expect.stringMatching(/version 2 held back from @production .* quality failed: accuracy 0\.804 -> 0\.182/),
      expect.stringMatching(/\(none\) -> 1 .* first +parity, quality passed/),
    ]);
  },
);
