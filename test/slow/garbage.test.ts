import { garbageTests } from '../integration/cases/garbage-tests.js';

garbageTests(
  [
    'archs/bert',
    'archs/roberta',
    'archs/deberta-v2',
    'tasks/embeddings',
    'tasks/ner',
    'tasks/qa',
    'tasks/static/words',
  ],
  8,
);
