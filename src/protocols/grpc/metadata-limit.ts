import {
  ServerInterceptingCall,
  ServerListenerBuilder,
  status as Status,
  type Metadata,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { ModelkeepError } from '../../core/index.js';
import { statusOf } from './status.js';

/** Bytes of names and values as they were sent. */
function bytesOf(metadata: Metadata): number {
  return Object.entries(metadata.toHttp2Headers()).reduce((sum, [name, values]) => {
    const texts = Array.isArray(values) ? values : [String(values ?? '')];
    return texts.reduce((all, text) => all + name.length + Buffer.byteLength(text), sum);
  }, 0);
}

/**
 * Refuses calls whose metadata is larger than the header of a request may be. The library knows no such limit; what lies
 * under it takes 64 KiB.
 */
export function limitMetadata(maxHeaderBytes: number): ServerInterceptor {
  return (_method, call) => {
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const bytes = bytesOf(metadata);
        if (bytes <= maxHeaderBytes) {
          next(metadata);
          return;
        }
        const details = `The metadata has ${bytes} bytes, ${maxHeaderBytes} at most: send less, or raise maxHeaderBytes`;
        const status = statusOf(new ModelkeepError('INVALID_INPUT', details));
        call.sendStatus({ details, metadata: null, ...status, code: Status.RESOURCE_EXHAUSTED });
      })
      .build();
    return new ServerInterceptingCall(call, { start: (next) => next(listener) });
  };
}
