import { fileURLToPath } from 'node:url';
import type { RunnerCommand } from '../runner.js';

/** How to start a runner for ONNX graphs with this very Node.js. */
export function onnxRunnerCommand(options: { readonly onLog?: (line: string) => void } = {}): RunnerCommand {
  return {
    command: process.execPath,
    args: [fileURLToPath(new URL('main.js', import.meta.url))],
    // Nothing of the node's environment reaches a runner: it needs none of it, and it may hold secrets.
    env: {},
    ...(options.onLog === undefined ? {} : { onLog: options.onLog }),
  };
}
