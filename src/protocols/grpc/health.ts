import { status as Status, type ServerWritableStream, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { ModelkeepError } from '../../core/index.js';
import { INFERENCE_SERVICE } from './definitions.js';
import { statusOf } from './status.js';
import { unary, type Call, type OnFailure } from './unary.js';

interface HealthCheckRequest {
  readonly service: string;
}

type HealthStream = ServerWritableStream<HealthCheckRequest | ModelkeepError, { readonly status: string }>;

/** Services whose state can be asked; empty: the server as a whole. */
const SERVICES: ReadonlySet<string> = new Set(['', INFERENCE_SERVICE]);

/** What `grpc.health.v1` answers: serving until the shutdown begins. */
export class Health {
  #state: 'SERVING' | 'NOT_SERVING' = 'SERVING';
  readonly #watching = new Set<HealthStream>();

  /** The calls of `grpc.health.v1.Health`. */
  calls(onFailure: OnFailure): UntypedServiceImplementation {
    const check = unary((_call: Call<HealthCheckRequest>) => ({ status: this.#state }), onFailure);
    return {
      Check: (...[call, callback]: Parameters<typeof check>) => {
        const { request } = call;
        if (request instanceof Error || SERVICES.has(request.service)) return check(call, callback);
        callback({ code: Status.NOT_FOUND, details: `There is no service "${request.service.slice(0, 100)}"` });
      },
      Watch: (call: HealthStream) => this.#watch(call),
    };
  }

  /** Says that nothing new is taken, and ends every watch. */
  stop(): void {
    this.#state = 'NOT_SERVING';
    for (const call of this.#watching) {
      call.write({ status: this.#state });
      call.end();
    }
    this.#watching.clear();
  }

  #watch(call: HealthStream): void {
    const { request } = call;
    if (request instanceof Error) {
      call.destroy(Object.assign(new Error(request.message), statusOf(request)));
      return;
    }
    // The protocol wants a stream for an unknown service too: it may come.
    call.write({ status: SERVICES.has(request.service) ? this.#state : 'SERVICE_UNKNOWN' });
    this.#watching.add(call);
    call.once('cancelled', () => this.#watching.delete(call));
  }
}
