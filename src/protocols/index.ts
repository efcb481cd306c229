/**
 * protocols/: translate between the inference service and what clients speak, nothing else. `http/` holds the Open
 * Inference Protocol v2 and the Hugging Face inference form.
 */
export type { TlsMaterial } from './http/listener.js';
export { createHttpServer, type HttpServerOptions, type RouteGroup } from './http/server.js';
export { HTTP_STATUS } from './http/status.js';
