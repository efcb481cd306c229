import { createMemoryData, openMemoryStore } from '../../src/stores/memory/open.js';
import { describeVersionStore } from '../../src/testing/index.js';

describeVersionStore('memory', async () => {
  const data = createMemoryData();
  return { store: await openMemoryStore({ data }), reopen: () => openMemoryStore({ data }) };
});
