/**
 * protocols/: translate between the inference service and what clients speak, nothing else. `open-inference/` is what the
 * REST and the gRPC form of that protocol share; `http/` holds REST and the Hugging Face inference form, `grpc/` gRPC.
 */
export { createHttpServer, type HttpServerOptions, type RouteGroup } from './http/server.js';
export type { TlsMaterial } from './http/listener.js';
export { HTTP_STATUS } from './http/status.js';
export { GrpcServer, type GrpcServerOptions, GRPC_STATUS } from './grpc/index.js';
