import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader';
import { ModelkeepError, packageFile } from '../../core/index.js';

/** The `.proto` files are read where they lie in the package: users can make clients from them. */
function load(file: string): PackageDefinition {
  const path = packageFile(`src/protocols/grpc/${file}`);
  // 64-bit integers as texts, since numbers would lose digits.
  return loadSync(path, { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true });
}

/** A service of a package; a message that cannot be read reaches its handler as the error that says so. */
function serviceOf(definitions: PackageDefinition, name: string): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(definitions[name] as unknown as ServiceDefinition).map(([key, method]) => {
      const requestDeserialize = (bytes: Buffer): unknown => {
        try {
          return method.requestDeserialize(bytes);
        } catch (error) {
          const why = (error as Error).message;
          return new ModelkeepError('INVALID_INPUT', `The message is no request of ${method.path}: ${why}`, {
            cause: error,
          });
        }
      };
      return [key, { ...method, requestDeserialize }];
    }),
  );
}

/** Full name of the inference service. */
export const INFERENCE_SERVICE = 'inference.GRPCInferenceService';

/** The inference service. */
export function inferenceService(): ServiceDefinition {
  return serviceOf(load('inference.proto'), INFERENCE_SERVICE);
}

/** The health service. */
export function healthService(): ServiceDefinition {
  return serviceOf(load('health.proto'), 'grpc.health.v1.Health');
}

/** Writes a message of `google.rpc`, by its name there. */
export type WriteErrorMessage = (name: 'Status' | 'ErrorInfo' | 'RetryInfo', message: object) => Buffer;

/** Writes the messages that say more of an error. */
export function errorMessages(): WriteErrorMessage {
  const definitions = load('errors.proto');
  return (name, message) => {
    const type = definitions[`google.rpc.${name}`] as unknown as MessageTypeDefinition<object, object>;
    return type.serialize(message);
  };
}
