import { fileURLToPath, pathToFileURL } from 'node:url';

/** The Python with other people's clients, which these tests have for themselves. */
export async function clientsPython(): Promise<string> {
  const script = fileURLToPath(new URL('../../scripts/clients-environment.mjs', import.meta.url));
  const module = (await import(pathToFileURL(script).href)) as { findClientsPython(): Promise<string> };
  return module.findClientsPython();
}
