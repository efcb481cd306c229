import { InferenceSession } from 'onnxruntime-node';
import type { TensorInfo } from '../../core/index.js';
import { ModelWriter } from '../../formats/index.js';

function value(name: string): TensorInfo {
  return { name, type: 'float32', dims: [1] };
}

/**
 * Opens and releases a session that does nothing: what the runtime sets up once for a process is then not the first
 * version's to wait for.
 */
export async function wakeRuntime(): Promise<void> {
  const writer = new ModelWriter();
  writer.node('Identity', ['x'], {}, 'y');
  const session = await InferenceSession.create(writer.finish([value('x')], [value('y')]), {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  await session.release();
}
