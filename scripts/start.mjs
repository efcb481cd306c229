/** `npm start`: sets up, publishes the bundled sentiment models to an embedded store of its own, and serves them. */
import { spawn, spawnSync } from 'node:child_process';
import { root, setUp } from './set-up.mjs';

const folder = `${root}.modelkeep`;
const program = `${root}dist/programs/modelkeep.js`;
const store = `file://${folder}/store`;
const environment = {
  ...process.env,
  MODELKEEP_STORE: process.env.MODELKEEP_STORE ?? store,
  MODELKEEP_CACHE_DIR: process.env.MODELKEEP_CACHE_DIR ?? `${folder}/cache`,
};

function modelkeep(args, stdout) {
  const { status, stdout: output } = spawnSync(process.execPath, [program, ...args], {
    cwd: root,
    env: environment,
    stdio: ['ignore', stdout, 2],
    encoding: 'utf8',
  });
  if (status !== 0) {
    if (output) console.error(output);
    process.exit(status ?? 1);
  }
  return output;
}

setUp();
if (JSON.parse(modelkeep(['list', 'sentiment', '--json'], 'pipe')).length === 0) {
  modelkeep(['push', 'test/fixtures/sentiment/v1', '--name', 'sentiment', '--message', 'trained for 220 steps'], 1);
  modelkeep(['push', 'test/fixtures/sentiment/v2', '--name', 'sentiment', '--message', 'trained properly'], 1);
}

const server = spawn(
  process.execPath,
  [program, 'serve', '--preload', 'sentiment', '--log-level', process.env.MODELKEEP_LOG_LEVEL ?? 'warn', '--json'],
  {
    cwd: root,
    env: environment,
    stdio: ['ignore', 'pipe', 2],
  },
);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.kill(signal));
server.on('exit', (code) => process.exit(code ?? 1));

let line = '';
server.stdout.setEncoding('utf8').on('data', (text) => {
  line += text;
  if (!line.includes('\n')) return;
  const { url, error } = JSON.parse(line.slice(0, line.indexOf('\n')));
  line = '';
  if (error !== undefined) console.error(`error ${error.code}: ${error.message}`);
  else console.log(ready(url));
});

function ready(url) {
  const option = process.env.MODELKEEP_STORE === undefined ? ' --store file://$PWD/.modelkeep/store' : '';
  return `
modelkeep is ready on ${url}

In another terminal, in this folder:

  ask            curl -si ${url}/models/sentiment -H 'content-type: application/json' -d '{"inputs":"Happy coding !!!"}'
  swap           npx modelkeep push test/fixtures/sentiment/v3-head --name sentiment${option}
  list           npx modelkeep list${option}

Ask again after the swap: x-modelkeep-version has moved on. Ctrl-C ends the server.`;
}
