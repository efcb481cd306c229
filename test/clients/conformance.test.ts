import { afterAll, beforeAll, expect, test } from 'vitest';
import { startClientServer, type ClientServer } from './client-server.js';
import { runProgram, type Call } from './clients-python.js';
import { askHuggingFace, askOpenAi } from './node-clients.js';
import { hubCalls, openAiCalls, requestsCalls, tritonCalls } from './python-clients.js';
import { compareWithPage } from './table.js';

let server: ClientServer;
beforeAll(async () => {
  server = await startClientServer();
}, 120_000);
afterAll(() => server.close());

const PROGRAMS: readonly (readonly [
  client: string,
  program: string,
  calls: (server: ClientServer) => Promise<readonly Call[]>,
])[] = [
  ['huggingface_hub', 'hub.py', hubCalls],
  ['tritonclient', 'triton.py', tritonCalls],
  ['openai and cohere', 'openai_cohere.py', openAiCalls],
  ['requests', 'by_requests.py', requestsCalls],
];

test.each(PROGRAMS)('%s gets what it asks for', { timeout: 180_000 }, async (client, program, callsOf) => {
  const calls = await callsOf(server);
  const { table, committed, failing } = compareWithPage(client, await runProgram('clients', program, server), calls);
  expect(table).toBe(committed);
  expect(failing).toEqual([]);
});

test.each([
  ['@huggingface/inference', askHuggingFace],
  ['openai for Node.js', askOpenAi],
] as const)('%s gets what it asks for', { timeout: 60_000 }, async (client, ask) => {
  const { seen, calls } = await ask(server);
  const { table, committed, failing } = compareWithPage(client, seen, calls);
  expect(table).toBe(committed);
  expect(failing).toEqual([]);
});
