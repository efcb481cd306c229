import { dirname } from 'node:path';
import { ModelkeepError, type TensorInfo, type VersionFiles } from '../../core/index.js';
import { ModelWriter, type OnnxTypeName } from '../onnx/model-writer.js';
import type { PlanOptions, SessionPlan } from '../session-plan.js';
import type { StaticModel } from '../static-embeddings.js';
import type { SafetensorsDtype } from '../tensor-table.js';
import type { PlacedTensor } from './checkpoint.js';

/** The graph's output: float32 [batch, features]. */
const OUTPUT = 'sentence_embedding';
/** Tasks that one vector a text is enough for. */
const TASKS: ReadonlySet<string> = new Set(['sentence-embeddings', 'sentence-similarity']);
const FLOAT32 = 1;
const FLOAT16 = 10;
const INT64 = 7;

const TYPES: Partial<Record<SafetensorsDtype, OnnxTypeName>> = {
  F32: 'float32',
  F16: 'float16',
  F64: 'float64',
  BF16: 'bfloat16',
  I8: 'int8',
  I32: 'int32',
  I64: 'int64',
};

/** Points a graph at the tensors of a file, so that the runtime maps them. */
class Tables {
  readonly #writer: ModelWriter;
  readonly #files: VersionFiles;
  folder: string | undefined;

  constructor(writer: ModelWriter, files: VersionFiles) {
    this.#writer = writer;
    this.#files = files;
  }

  async place({ name, path, start, end, dtype, shape }: PlacedTensor): Promise<string> {
    const type = TYPES[dtype];
    if (type === undefined) throw new ModelkeepError('INTERNAL', `Static embeddings have no tensor of ${dtype}`);
    const span = this.#files.locate(path, start, end);
    const folder = span === undefined ? undefined : dirname(span.file);
    this.folder ??= folder;
    if (span !== undefined && folder === this.folder) {
      return this.#writer.externalTensor(name, type, shape, span, end - start);
    }
    return this.#writer.inlineTensor(name, type, shape, await this.#files.read(path, { start, end }));
  }
}

/**
 * Authors the graph of static embeddings: the mean of the rows of a text's tokens. Sums go from token to token, so that
 * neither other texts nor filled places change a bit. A negative id is no token, so that a text of none has a place to
 * run in; its vector is 0, as both libraries have it. Whatever the precision, rows are looked up as they were saved.
 *
 * @throws ModelkeepError `UNSUPPORTED_FORMAT` for a task that needs more than one vector a text
 */
export async function planStatic(files: VersionFiles, model: StaticModel, { task }: PlanOptions): Promise<SessionPlan> {
  if (task !== undefined && !TASKS.has(task)) {
    throw new ModelkeepError(
      'UNSUPPORTED_FORMAT',
      `Static embeddings give one vector a text: they cannot be served for ${task}. Publish with --task, one of ${[...TASKS].join(', ')}`,
    );
  }
  const writer = new ModelWriter();
  const tables = new Tables(writer, files);
  const ids = 'input_ids';
  const present = writer.node('GreaterOrEqual', [ids, writer.int(0)]);
  const known = writer.node('Mul', [writer.node('Cast', [present], { to: { int: INT64 } }), 'attention_mask']);
  const mask = writer.node('Unsqueeze', [writer.node('Cast', [known], { to: { int: FLOAT32 } }), writer.ints([2])]);
  // Places that are no tokens look up the first row, and count nothing.
  const tokens = writer.node('Mul', [ids, known]);
  const rows = model.mapping === undefined ? tokens : await lookUp(writer, tables, model.mapping, tokens);
  let vectors = await lookUp(writer, tables, model.table, rows);
  if (model.table.dtype !== 'F32') vectors = writer.node('Cast', [vectors], { to: { int: FLOAT32 } });
  if (model.weights !== undefined) {
    const factors = await lookUp(writer, tables, model.weights, tokens);
    const widened = writer.node('Cast', [factors], { to: { int: FLOAT32 } });
    vectors = writer.node('Mul', [vectors, writer.node('Unsqueeze', [widened, writer.ints([2])])]);
  }
  const sums = writer.node('CumSum', [writer.node('Mul', [vectors, mask]), writer.int(1)]);
  const sum = writer.node('Gather', [sums, writer.int(-1)], { axis: { int: 1 } });
  const counts = writer.node('Gather', [writer.node('CumSum', [mask, writer.int(1)]), writer.int(-1)], {
    axis: { int: 1 },
  });
  const mean = writer.node('Div', [sum, writer.node('Max', [counts, writer.float(1)])]);
  writer.node('Identity', [rounded(writer, mean, model)], {}, OUTPUT);
  const inputs = [ids, 'attention_mask'].map((name): TensorInfo => ({ name, type: 'int64', dims: [-1, -1] }));
  const outputs: TensorInfo[] = [{ name: OUTPUT, type: 'float32', dims: [-1, model.table.shape[1] ?? -1] }];
  const facts = { family: 'static embeddings', head: 'mean', leftOut: [], notes: [] };
  const plan = { graph: writer.finish(inputs, outputs), inputs, outputs, facts, derived: [], replaced: [] };
  return tables.folder === undefined ? plan : { ...plan, externalDataFolder: tables.folder };
}

async function lookUp(writer: ModelWriter, tables: Tables, tensor: PlacedTensor, at: string): Promise<string> {
  return writer.node('Gather', [await tables.place(tensor), at]);
}

/** model2vec gives vectors of half floats for a table of half floats. */
function rounded(writer: ModelWriter, mean: string, { library, table }: StaticModel): string {
  if (library !== 'model2vec' || table.dtype !== 'F16') return mean;
  return writer.node('Cast', [writer.node('Cast', [mean], { to: { int: FLOAT16 } })], { to: { int: FLOAT32 } });
}
