import { z } from 'zod';
import { TASKS, type TaskDefinition, type TaskName } from '../../../tasks/index.js';
import { INTEGER, list, NUMBER, object, STRING, type Json } from './shapes.js';

/** `text-classification` is `TextClassification` in the document. */
export function pascal(name: string): string {
  return name.replaceAll(/(^|-)([a-z])/g, (_match, _dash, letter: string) => letter.toUpperCase());
}

/** Labels that config.json names by numbers are numbers in answers. */
const LABEL = object({ label: { type: ['string', 'number'] }, score: NUMBER });
const ENTITY = object(
  { entity: STRING, entity_group: STRING, score: NUMBER, index: INTEGER, word: STRING, start: INTEGER, end: INTEGER },
  ['entity', 'entity_group', 'index', 'start', 'end'],
);
const ANSWER = object({ score: NUMBER, start: INTEGER, end: INTEGER, answer: STRING });
const TOKEN = object({ score: NUMBER, token: INTEGER, token_str: STRING, sequence: STRING });
const ZERO_SHOT = object({ sequence: STRING, labels: list(STRING), scores: list(NUMBER) });
const VECTOR = list(NUMBER);
const WEIGHT = object({ index: INTEGER, value: NUMBER, token: STRING }, ['token']);
const PAIR = object({ text: STRING, text_pair: STRING }, ['text_pair']);
const QUESTION = object({ question: STRING, context: STRING });
const TEXTS: Json = { anyOf: [STRING, list(STRING)] };
const anyOf = (...schemas: readonly Json[]): Json => ({ anyOf: schemas });

/** What each task takes as `inputs`, and what it answers. */
const SHAPES: Readonly<Record<TaskName, { readonly inputs: Json; readonly output: Json }>> = {
  'text-classification': {
    inputs: anyOf(STRING, PAIR, list(anyOf(STRING, PAIR, list(STRING)))),
    output: anyOf(LABEL, list(LABEL), list(list(LABEL))),
  },
  'token-classification': {
    inputs: anyOf(STRING, list(STRING), list(list(STRING))),
    output: anyOf(list(ENTITY), list(list(ENTITY))),
  },
  'question-answering': {
    inputs: anyOf(QUESTION, list(QUESTION)),
    output: anyOf(ANSWER, list(anyOf(ANSWER, list(ANSWER)))),
  },
  'fill-mask': { inputs: TEXTS, output: anyOf(list(TOKEN), list(anyOf(list(TOKEN), list(list(TOKEN))))) },
  'feature-extraction': { inputs: TEXTS, output: anyOf(list(list(VECTOR)), list(list(list(VECTOR)))) },
  'sentence-embeddings': {
    inputs: anyOf(STRING, list(STRING), list(INTEGER), list(list(INTEGER))),
    output: anyOf(VECTOR, list(VECTOR)),
  },
  'zero-shot-classification': { inputs: TEXTS, output: anyOf(ZERO_SHOT, list(ZERO_SHOT)) },
  'sentence-similarity': { inputs: object({ source_sentence: STRING, sentences: list(STRING) }), output: VECTOR },
  'text-ranking': {
    inputs: object({ query: STRING, texts: list(STRING) }),
    output: list(object({ index: INTEGER, score: NUMBER, text: STRING }, ['text'])),
  },
  'sparse-embeddings': { inputs: TEXTS, output: anyOf(list(WEIGHT), list(list(WEIGHT))) },
};

function schemasOf({ name, summary, parameters }: TaskDefinition): readonly (readonly [string, Json])[] {
  const { $schema: _schema, ...options } = z.toJSONSchema(parameters, { io: 'input' });
  const { inputs, output } = SHAPES[name as TaskName];
  const request = {
    ...object({ inputs, parameters: options, options: { type: 'object' } }, ['parameters', 'options']),
    title: name,
    description: summary,
  };
  return [
    [pascal(name), request],
    [
      `${pascal(name)}Answer`,
      { ...output, description: `The answer of ${name}, as the transformers pipeline gives it` },
    ],
  ];
}

/** The request and the answer of every task. */
export function taskSchemas(): Json {
  return Object.fromEntries([...TASKS.values()].flatMap(schemasOf));
}
