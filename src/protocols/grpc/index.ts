/**
 * protocols/grpc/: the Open Inference Protocol v2 and the health service over gRPC. `server` listens, `inference-calls` and
 * `infer` translate, `contents` holds typed tensors, `status` is the table of codes.
 */
export { GrpcServer, type GrpcServerOptions } from './server.js';
export { GRPC_STATUS } from './status.js';
