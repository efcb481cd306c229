import {
  ServerInterceptingCall,
  ServerListenerBuilder,
  status as Status,
  type Metadata,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { authorize, errorFor, OPERATIONS, type Access, type Operation, type Principal } from '../../access/index.js';
import { asModelkeepError } from '../../core/index.js';
import { settle } from './settle.js';
import { statusOf } from './status.js';

/** What each call does, in the words of `access/`. */
const OPERATION_OF: Readonly<Record<string, Operation>> = {
  ServerLive: 'health',
  ServerReady: 'health',
  ServerMetadata: 'server',
  ModelReady: 'inspect',
  ModelMetadata: 'inspect',
  ModelInfer: 'infer',
  RepositoryIndex: 'list',
  RepositoryModelLoad: 'load',
  RepositoryModelUnload: 'load',
  Check: 'health',
  Watch: 'health',
};

/** What the call of a path does. @throws Error for one that says nothing; a defect */
export function operationOf(path: string): Operation {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const operation = Object.hasOwn(OPERATION_OF, name) ? OPERATION_OF[name] : undefined;
  if (operation === undefined) throw new Error(`${path} does not say which operation it is: give it a row`);
  return operation;
}

/** Who sent a call, by its metadata. */
const principals = new WeakMap<Metadata, Principal>();

/** Who asks; undefined for what is open to everybody. */
export function principalOf(metadata: Metadata): Principal | undefined {
  return principals.get(metadata);
}

/** Lets in only those who may do what a call does, before its message is read: strangers cannot make the server work. */
export function guard(access: Access): ServerInterceptor {
  return (method, call) => {
    const admit = async (metadata: Metadata): Promise<void> => {
      const operation = operationOf(method.path);
      if (OPERATIONS[operation] === 'open') return;
      const principal = await access.authenticate(metadata.get('authorization')[0]?.toString());
      principals.set(metadata, principal);
      authorize(principal, operation);
    };
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const refuse = (error: unknown): void => {
          const told = errorFor(principalOf(metadata), asModelkeepError(error));
          call.sendStatus({ code: Status.UNKNOWN, details: told.message, metadata: null, ...statusOf(told) });
        };
        void settle(
          () => admit(metadata),
          () => next(metadata),
          refuse,
        );
      })
      .build();
    return new ServerInterceptingCall(call, { start: (next) => next(listener) });
  };
}
