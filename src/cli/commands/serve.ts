import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';
import { ACCESS_SETTINGS, serve, untilAborted, type SettingName } from '../../app/index.js';
import { invoke, NODE_SETTINGS, withSettings, type World } from '../command.js';

/**
 * By how much the old generation of a server's JavaScript heap may grow before it is collected, in percent of what was in
 * use; the engine chooses up to several times that. Requests that wait outlive the young generation, so that under four
 * times the load that it can take a server grew from 78 to 114 MB, with this from 65 to 70, and answered as many.
 */
const HEAP_GROWING_PERCENT = 20;

const SERVER_SETTINGS = [
  ...NODE_SETTINGS,
  'idleUnloadMs',
  'compileAfter',
  'compile',
  'swapMode',
  'pin',
  'preload',
  'host',
  'port',
  'grpcPort',
  'defaultModel',
  'maxBodyBytes',
  'logLevel',
  'webhookAllowPrivate',
  'otherStores',
  ...(Object.keys(ACCESS_SETTINGS) as (keyof typeof ACCESS_SETTINGS)[]),
] as const satisfies readonly SettingName[];

/** `modelkeep serve`: answer over HTTP and gRPC until interrupted. */
export function serveCommand(program: Command, world: World): void {
  const command = program
    .command('serve')
    .summary('answer over HTTP and gRPC')
    .description(
      'Serves every version of the store over HTTP (POST /models/REF and POST /v2/models/REF/infer) and, by the Open Inference Protocol, over gRPC. Listens on loopback unless told otherwise. Ends gracefully on SIGTERM or Ctrl-C.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ modelkeep serve\n  $ modelkeep serve --preload sentiment@production --port 9000\n  $ modelkeep serve --store mongodb://127.0.0.1:27017/models --log-level debug',
    );
  withSettings(command, SERVER_SETTINGS).action(async (flags: object) =>
    invoke(world, { ...flags }, async ({ out, settings, openStore, signal, version }) => {
      setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
      const store = await openStore();
      const server = await serve({ settings: settings.values, store, version });
      out.result(
        {
          url: server.url,
          ...(server.adminUrl === undefined ? {} : { adminUrl: server.adminUrl }),
          ...(server.grpc === undefined ? {} : { grpc: server.grpc }),
          store: store.location,
          pid: process.pid,
        },
        ({ url, adminUrl, grpc }) =>
          `modelkeep ${version} serves ${store.location} on ${url}${grpc === undefined ? '' : ` and gRPC on ${grpc}`}${adminUrl === undefined ? '' : `, management on ${adminUrl}`}`,
      );
      await untilAborted(signal);
      out.note('Stopping: requests in flight are answered first');
      await server.close();
    }),
  );
}
