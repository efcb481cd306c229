import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { ModelkeepError } from '../../core/index.js';
import type { InferenceService, ModelRepository, RequestOptions } from '../../serving/index.js';
import { EXTENSIONS, modelMetadata, referenceWithVersion, refuseParameters } from '../open-inference/index.js';
import { modelInfer, type ModelInferRequest } from './infer.js';
import { unary, type Call, type OnFailure } from './unary.js';

interface ModelName {
  readonly name: string;
  readonly version: string;
}

interface RepositoryChange {
  readonly repository_name: string;
  readonly model_name: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** What {@link inferenceCalls} answers from. */
export interface InferenceCallsOptions {
  readonly service: InferenceService;
  readonly repository: ModelRepository;
  /** This software's version. */
  readonly version: string;
  /** False where management has a port of its own, on which alone versions are loaded and unloaded. */
  readonly manages: boolean;
  readonly onFailure: OnFailure;
}

/** The calls of `GRPCInferenceService`. */
export function inferenceCalls(options: InferenceCallsOptions): UntypedServiceImplementation {
  const { service, repository, version, onFailure } = options;
  return {
    ServerLive: unary(() => ({ live: true }), onFailure),
    ServerReady: unary(() => ({ ready: service.ready }), onFailure),
    ServerMetadata: unary(() => ({ name: 'modelkeep', version, extensions: EXTENSIONS }), onFailure),
    ModelReady: unary(
      async (call: Call<ModelName>) => ({
        ready: await becomesReady(service, call.authorize(modelOf(call.request)), call.options),
      }),
      onFailure,
    ),
    ModelMetadata: unary(async (call: Call<ModelName>) => {
      const description = await service.describe(call.authorize(modelOf(call.request)), call.options);
      return modelMetadata(description, await repository.versions(description.record, call.options));
    }, onFailure),
    ModelInfer: unary((call: Call<ModelInferRequest>) => modelInfer(service, call), onFailure),
    ...repositoryCalls(options),
  };
}

/** As Triton answers: a model that there is not is not ready. */
async function becomesReady(service: InferenceService, reference: string, options: RequestOptions): Promise<boolean> {
  try {
    return await service.becomesReady(reference, options);
  } catch (error) {
    if (error instanceof ModelkeepError && error.code.endsWith('_NOT_FOUND')) return false;
    throw error;
  }
}

function modelOf({ name, version }: ModelName): string {
  return referenceWithVersion(name, version);
}

function repositoryCalls({ repository, manages, onFailure }: InferenceCallsOptions): UntypedServiceImplementation {
  return {
    RepositoryIndex: unary(async ({ request, options, sees }: Call<{ readonly ready: boolean }>) => {
      const { signal } = options;
      const entries = await repository.index({ ready: request.ready, ...(signal === undefined ? {} : { signal }) });
      const seen = entries.filter(({ name }) => sees(name));
      return { models: seen.map(({ version, ...entry }) => ({ ...entry, version: String(version) })) };
    }, onFailure),
    RepositoryModelLoad: unary(async (call: Call<RepositoryChange>) => {
      const reference = targetOf(call, 'load', manages);
      await repository.load(reference, call.options);
      return { model_name: reference, isLoaded: true };
    }, onFailure),
    RepositoryModelUnload: unary(async (call: Call<RepositoryChange>) => {
      const reference = targetOf(call, 'unload', manages);
      await repository.unload(reference, call.options);
      return { model_name: reference, isUnloaded: true };
    }, onFailure),
  };
}

/** What is to be loaded or unloaded, in whichever of the two places a client names it. */
function targetOf({ request, authorize }: Call<RepositoryChange>, action: 'load' | 'unload', manages: boolean): string {
  const { model_name: name, repository_name: other, parameters } = request;
  if (!manages) {
    throw new ModelkeepError('FORBIDDEN', `Management is on a port of its own: ${action} over HTTP there`);
  }
  refuseParameters(parameters, action);
  return authorize(name === '' ? other : name);
}
