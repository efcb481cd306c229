/**
 * `npm run bench -- checkpoints [--json] [--quick] [--only SECTION]`: what it takes to publish, send, load and run a
 * checkpoint of the size of BERT-base, beside the same model exported as one `.onnx` file.
 */
import { fileURLToPath } from 'node:url';
import { benchSecondHead } from './checkpoints-heads.js';
import { benchCheckpointLoading } from './checkpoints-loading.js';
import { prepareCheckpoints } from './checkpoints-models.js';
import { benchHashing, benchTransfer } from './checkpoints-publish.js';
import { benchSpeed } from './checkpoints-speed.js';
import { runSections } from './sections.js';

await runSections(
  fileURLToPath(import.meta.url),
  {
    hashing: benchHashing,
    transfer: benchTransfer,
    loading: benchCheckpointLoading,
    heads: benchSecondHead,
    speed: benchSpeed,
  },
  prepareCheckpoints,
);
