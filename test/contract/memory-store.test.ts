import { createMemoryData, openMemoryStore } from '../../src/stores/memory/open.js';
import { describeVersionStore } from '../../src/testing/index.js';

describeVersionStore('memory', async () => {
  const data = createMemoryData();
  return {
    store: await openMemoryStore({ data }),
    reopen: () => openMemoryStore({ data }),
    damage: async (_record, { digest, size }, how) => {
      const bytes = Buffer.from(data.segments.get(digest) ?? Buffer.alloc(0));
      if (how === 'removed') data.segments.delete(digest);
      else data.segments.set(digest, how === 'truncated' ? bytes.subarray(0, -1) : bytes);
      if (how === 'altered') bytes.writeUInt8(bytes.readUInt8(size >> 1) ^ 1, size >> 1);
    },
  };
});
