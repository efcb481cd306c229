import { ModelkeepError } from '../../core/index.js';

/** Names that exports give the one model of a directory, by preference. */
const USUAL = ['model.onnx', 'onnx/model.onnx'];

/** What exporters put behind the name of a graph whose numbers they changed, nearest to full precision first. */
const FORMS: readonly RegExp[] = [
  /^$/,
  /^(fp32|float32|optimized|optimised|o[123])$/,
  /^(fp16|float16|bf16|bfloat16|half|o4)$/,
  /^(quantized|quantised|quant|dynamic|static|u?int8|q8|qu?int8).*$/,
  /^(u?int4|q4|bnb4|nf4|q2|q1).*$/,
];

/** Parts of models that write texts: they run one after the other. */
const PART = /(^|[/_-])(encoder|decoder)([._-]|$)/;

/** The ONNX model among the files of a version: the usual name, or the only .onnx file; undefined if there is none. */
export function onnxModelPath(paths: readonly string[]): string | undefined {
  const models = paths.filter((path) => path.endsWith('.onnx'));
  return USUAL.find((path) => models.includes(path)) ?? (models.length === 1 ? models[0] : undefined);
}

/** The graph of a folder that is published, and what its publisher may not expect. */
export interface ChosenGraph {
  readonly path: string;
  readonly warning?: string | undefined;
}

/** Name without the folder and what tells the form of the numbers, and the rank of that form. */
function formOf(path: string): { readonly stem: string; readonly rank: number } {
  const name = path.slice(path.lastIndexOf('/') + 1, -'.onnx'.length).toLowerCase();
  for (let at = name.length; at > 0; at -= 1) {
    if (at < name.length && !'_-.'.includes(name[at] ?? '')) continue;
    const rank = FORMS.findIndex((form) => form.test(name.slice(at + 1)));
    if (rank >= 0 && at < name.length) return { stem: name.slice(0, at), rank };
  }
  const rank = FORMS.findIndex((form) => form.test(name));
  return rank < 0 ? { stem: name, rank: 0 } : { stem: 'model', rank };
}

function depth(path: string): number {
  return path.split('/').length;
}

/**
 * Chooses the graph of a folder: the one that was asked for, the one of the usual name, else of several forms of one model
 * that which is nearest to full precision.
 *
 * @param asked its path, or its name where only one file has it
 * @returns undefined if there is none, or if several seem to be different models
 * @throws ModelkeepError `INVALID_INPUT` if what was asked for is not there, listing what is; `UNSUPPORTED_FORMAT` for the
 * parts of a model that writes texts
 */
export function chooseGraph(paths: readonly string[], asked?: string): ChosenGraph | undefined {
  const models = paths.filter((path) => path.endsWith('.onnx'));
  if (asked !== undefined) return { path: askedGraph(models, asked) };
  const usual = onnxModelPath(models);
  if (usual !== undefined) return { path: usual };
  const forms = models.map((path) => ({ path, ...formOf(path) }));
  const encoder = models.find((path) => PART.test(path) && path.includes('encoder'));
  const decoder = models.find((path) => PART.test(path) && path.includes('decoder'));
  if (encoder !== undefined && decoder !== undefined) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `${encoder} and ${decoder} are parts of a model that writes texts (seq2seq), which is not served. Publish one of ` +
        'them by itself with --file to ask it with tensors',
    );
  }
  const [best] = forms.toSorted(
    (a, b) => a.rank - b.rank || depth(a.path) - depth(b.path) || (a.path < b.path ? -1 : 1),
  );
  if (best === undefined || forms.some(({ stem }) => stem !== best.stem)) return undefined;
  const others = models.filter((path) => path !== best.path);
  return {
    path: best.path,
    warning: `It holds several forms of one model; ${best.path} is taken, the nearest to full precision. --file chooses ${others.slice(0, 8).join(', ')} instead`,
  };
}

function askedGraph(models: readonly string[], asked: string): string {
  const wanted = asked.replace(/^\.\//, '');
  const [named, more] = models.filter((path) => path === wanted || path.endsWith(`/${wanted}`));
  const exact = models.find((path) => path === wanted) ?? (more === undefined ? named : undefined);
  if (exact !== undefined) return exact;
  const there = models.length === 0 ? 'there is no .onnx file' : `.onnx files are ${models.slice(0, 20).join(', ')}`;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `--file ${JSON.stringify(asked.slice(0, 200))} names no ONNX model of what is published: ${there}`,
    { details: { field: 'file' } },
  );
}

/** Where exporters put the tokenizer of a graph that has a name of its own: `x-tokenizer.json` beside `x.onnx`. */
export function tokenizerBeside(graph: string, paths: readonly string[]): string | undefined {
  const stem = graph.slice(0, -'.onnx'.length);
  return ['-', '_', '.'].map((joint) => `${stem}${joint}tokenizer.json`).find((path) => paths.includes(path));
}
