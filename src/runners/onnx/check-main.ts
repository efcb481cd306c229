/** Opens a graph in the runtime and ends: a line of JSON and the graph on standard input, an error on standard output. */
import { buffer } from 'node:stream/consumers';
import { InferenceSession } from 'onnxruntime-node';
import { asModelkeepError } from '../../core/index.js';
import { runtimeWords } from './runtime-words.js';

const input = await buffer(process.stdin);
const line = input.indexOf('\n');
const { externalDataFolder: folder } = JSON.parse(input.toString('utf8', 0, line)) as { externalDataFolder?: string };
try {
  const session = await InferenceSession.create(input.subarray(line + 1), {
    executionProviders: ['cpu'],
    // Optimising would compute parts of the graph.
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
    extra: {
      session: {
        disable_prepacking: '1',
        ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: `${folder}/` }),
      },
    },
  });
  await session.release();
} catch (error) {
  console.log(JSON.stringify(asModelkeepError(runtimeWords(error), 'LOAD_FAILED')));
  process.exitCode = 1;
}
