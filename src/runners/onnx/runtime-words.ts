/** The runtime's words without the place in its own sources. */
export function runtimeWords(error: unknown): Error {
  const words = error instanceof Error ? error.message : String(error);
  return new Error(words.replace(/^\/onnxruntime_src\/.*?\) (?=ONNX|[A-Z])/, '').trim(), { cause: error });
}
