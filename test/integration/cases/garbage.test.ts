import { garbageTests } from './garbage-tests.js';

garbageTests(['archs/bert', 'tasks/embeddings', 'tasks/static/words'], 150);
