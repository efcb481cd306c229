import { didYouMean, ModelkeepError, type TensorInfo } from '../../core/index.js';
import type { NamedTensor } from './datatypes.js';

/** What a task takes over this protocol: BYTES inputs by name, and how they become its `inputs`. */
interface TextForm {
  readonly inputs: readonly TensorInfo[];
  readonly read: (given: Given) => unknown;
}

/** The texts of a request by the name of their input. */
type Given = ReadonlyMap<string, readonly string[]>;

const many = (name: string): TensorInfo => ({ name, type: 'string', dims: [-1] });
const one = (name: string): TensorInfo => ({ name, type: 'string', dims: [1] });

function wrong(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', message);
}

/** The texts of an input. @throws ModelkeepError `INVALID_INPUT` if it is missing */
function textsOf(given: Given, name: string): readonly string[] {
  const texts = given.get(name);
  if (texts !== undefined) return texts;
  throw wrong(`Input "${name}" is missing; the request has ${[...given.keys()].map((key) => `"${key}"`).join(', ')}`);
}

/** The only text of an input. @throws ModelkeepError `INVALID_INPUT` for none or several */
function onlyText(given: Given, name: string): string {
  const texts = textsOf(given, name);
  if (texts.length === 1) return texts[0] ?? '';
  throw wrong(`Input "${name}" has ${texts.length} texts, the task takes one`);
}

/** A list of texts beside another one: as many, or one for all. @throws ModelkeepError `INVALID_INPUT` */
function beside(given: Given, name: string, first: readonly string[], firstName: string): readonly string[] {
  const texts = textsOf(given, name);
  if (texts.length === first.length) return texts;
  if (texts.length === 1) return first.map(() => texts[0] ?? '');
  throw wrong(`Input "${name}" has ${texts.length} texts, "${firstName}" has ${first.length}: give as many, or one`);
}

/** Texts that are answered each on its own, or in pairs. */
const TEXTS: TextForm = {
  inputs: [many('text')],
  read: (given) => {
    const texts = textsOf(given, 'text');
    if (!given.has('text_pair')) return texts;
    const pairs = beside(given, 'text_pair', texts, 'text');
    return texts.map((text, at) => ({ text, text_pair: pairs[at] }));
  },
};

const FORMS: Readonly<Record<string, TextForm>> = {
  'question-answering': {
    inputs: [many('question'), many('context')],
    read: (given) => {
      const questions = textsOf(given, 'question');
      const contexts = beside(given, 'context', questions, 'question');
      return questions.map((question, at) => ({ question, context: contexts[at] }));
    },
  },
  'text-ranking': {
    inputs: [one('query'), many('texts')],
    read: (given) => ({ query: onlyText(given, 'query'), texts: textsOf(given, 'texts') }),
  },
  'sentence-similarity': {
    inputs: [one('source_sentence'), many('sentences')],
    read: (given) => ({
      source_sentence: onlyText(given, 'source_sentence'),
      sentences: textsOf(given, 'sentences'),
    }),
  },
};

/** The BYTES inputs of a task, for the metadata of a model. */
export function textInputsOf(task: string): readonly TensorInfo[] {
  return (FORMS[task] ?? TEXTS).inputs;
}

/** The task that inputs with these names are for, where it is one alone; undefined for plain texts. */
export function taskOfNames(names: readonly string[]): string | undefined {
  return Object.keys(FORMS).find((task) => FORMS[task]?.inputs.every(({ name }) => names.includes(name)));
}

/**
 * The `inputs` of a task out of BYTES tensors. One input may have any name where the task takes one.
 *
 * @throws ModelkeepError `INVALID_INPUT` naming the input that is missing, odd, or has the wrong number of texts
 */
export function readTextInputs(task: string, tensors: readonly NamedTensor[]): unknown {
  const form = FORMS[task] ?? TEXTS;
  const [only] = tensors;
  const given: Given =
    tensors.length === 1 && only !== undefined && form === TEXTS
      ? new Map([['text', only.tensor.data as readonly string[]]])
      : new Map(tensors.map(({ name, tensor }) => [name, tensor.data as readonly string[]]));
  const known = [...form.inputs.map(({ name }) => name), ...(form === TEXTS ? ['text_pair'] : [])];
  const odd = [...given.keys()].find((name) => !known.includes(name));
  if (odd === undefined) return form.read(given);
  throw wrong(
    `Input "${odd.slice(0, 100)}" is none of ${task}; it takes ${known.map((name) => `"${name}"`).join(', ')}${didYouMean(odd, known)}`,
  );
}
