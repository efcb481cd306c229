import { execFile } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs a program of `children/` in the Python that has the clients of other projects; resolves to its JSON. */
export async function runClient(program: string, args: readonly string[]): Promise<unknown> {
  const script = fileURLToPath(new URL('../../scripts/clients-environment.mjs', import.meta.url));
  const module = (await import(pathToFileURL(script).href)) as { findClientsPython(): Promise<string> };
  const path = fileURLToPath(new URL(`children/${program}`, import.meta.url));
  const { stdout } = await run(await module.findClientsPython(), [path, ...args], { timeout: 60_000 });
  return JSON.parse(stdout);
}
