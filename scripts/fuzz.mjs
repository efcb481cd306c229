/**
 * `npm run fuzz -- safetensors|onnx|tensors|frames [--seconds 300 | --cases N] [--seed N]`: builds and fuzzes the readers
 * of model files, of request bodies with tensors in raw form, and of runners' frames.
 */
import { setUp } from './set-up.mjs';

setUp();
await import('./fuzz/main.mjs');
