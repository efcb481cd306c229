import { execFile } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { ClientServer } from './client-server.js';

const run = promisify(execFile);

/** An environment of `scripts/clients-environment.mjs`. */
export type ClientEnvironment = 'clients' | 'kserve' | 'mlserver' | 'frameworks';

/** What one call of a client gave. */
export type Outcome = { readonly value: unknown } | { readonly error: string };

/** A call of a client: its name, where it asks, and what it has to give. */
export type Call = readonly [name: string, asks: string, expected: unknown];

/** What a program of `programs/` saw. */
export interface Seen {
  /** Version by package. */
  readonly versions: Readonly<Record<string, string>>;
  readonly calls: Readonly<Record<string, Outcome>>;
}

/** Runs a program of `programs/` against a server. */
export async function runProgram(
  environment: ClientEnvironment,
  program: string,
  { running, key }: ClientServer,
): Promise<Seen> {
  const script = fileURLToPath(new URL('../../scripts/clients-environment.mjs', import.meta.url));
  const module = (await import(pathToFileURL(script).href)) as {
    findClientsPython(name: ClientEnvironment): Promise<string>;
  };
  const path = fileURLToPath(new URL(`programs/${program}`, import.meta.url));
  const server = JSON.stringify({ url: running.url, grpc: running.grpc, key });
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', HF_HUB_DISABLE_TELEMETRY: '1' };
  const python = await module.findClientsPython(environment);
  const { stdout } = await run(python, [path, server], { timeout: 180_000, env, maxBuffer: 50_000_000 });
  return JSON.parse(stdout.slice(stdout.lastIndexOf('{"versions"'))) as Seen;
}
