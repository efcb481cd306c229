/** Names that exports give the one model of a directory, by preference. */
const USUAL = ['model.onnx', 'onnx/model.onnx'];

/** The ONNX model among the files of a version: the usual name, or the only .onnx file; undefined if there is none. */
export function onnxModelPath(paths: readonly string[]): string | undefined {
  const models = paths.filter((path) => path.endsWith('.onnx'));
  return USUAL.find((path) => models.includes(path)) ?? (models.length === 1 ? models[0] : undefined);
}
