import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { run } from '../../../src/cli/index.js';

async function outputOf(args: readonly string[]): Promise<{ readonly code: number; readonly text: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const { signal } = new AbortController();
  const code = await run(args, { stdin: new PassThrough(), stdout, stderr, environment: {}, signal, version: '0' });
  return { code, text: `${stdout.read() ?? ''}${stderr.read() ?? ''}` };
}

describe('the command line', () => {
  it('has every command that its help names, also where that one alone is loaded', async () => {
    const { code, text } = await outputOf(['--help']);
    expect(code).toBe(0);
    const names = [...text.matchAll(/^ {2}([a-z][a-z-]+) /gm)].flatMap(([, name]) => name ?? []);
    expect(names.length).toBeGreaterThan(25);
    for (const name of names.filter((one) => one !== 'help')) {
      const { code: own, text: usage } = await outputOf([name, '--help']);
      expect([name, own, usage.split(' ').slice(0, 3).join(' ').trim()]).toEqual([name, 0, `Usage: modelkeep ${name}`]);
    }
  });

  it('names its commands to somebody who asks for one that is not there', async () => {
    const { code, text } = await outputOf(['pusch']);
    expect(code).toBe(2);
    expect(text).toContain('Did you mean push?');
  });
});
