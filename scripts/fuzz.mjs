/** `npm run fuzz -- safetensors|onnx [--seconds 300 | --cases N] [--seed N]`: builds and fuzzes the readers of model files. */
import { setUp } from './set-up.mjs';

setUp();
await import('./fuzz/main.mjs');
