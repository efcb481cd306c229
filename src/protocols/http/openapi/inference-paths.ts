import { z } from 'zod';
import { TASK_NAMES } from '../../../tasks/index.js';
import { embeddingsBody } from '../openai.js';
import { answer, body, errors, ref, reference, TIMEOUT, VERSION, type Json } from './shapes.js';
import { pascal } from './task-schemas.js';

const OIP = ['Open Inference Protocol'];
const OPENAI = ['OpenAI form'];

function huggingFace(): Json {
  return {
    '/models/{reference}': {
      parameters: [reference('reference')],
      get: {
        tags: ['Hugging Face form'],
        operationId: 'summary',
        summary: 'What a reference means now; nothing is loaded',
        responses: { '200': answer('The version', ref('ModelSummary')), ...errors() },
      },
      post: {
        tags: ['Hugging Face form'],
        operationId: 'predict',
        summary: 'Answers as the transformers pipeline of the task',
        description: 'The headers x-modelkeep-model, -version and -digest say which version answered.',
        parameters: [
          TIMEOUT,
          {
            name: 'client',
            in: 'query',
            description: 'Answer in the shapes that the clients of Hugging Face expect',
            schema: { type: 'string', enum: ['huggingface'] },
          },
        ],
        requestBody: body({ anyOf: TASK_NAMES.map((name) => ref(pascal(name))) }, { inputs: 'Happy coding !!!' }),
        responses: {
          '200': answer('The answer of the task', { description: 'One of the schemas …Answer, by the model’s task' }),
          ...errors(),
        },
      },
    },
  };
}

function pipeline(): Json {
  return {
    '/models': {
      get: {
        tags: ['Hugging Face form'],
        operationId: 'models',
        summary: 'The newest version of each model that the caller may use',
        responses: { '200': answer('Models', { type: 'array', items: ref('ModelSummary') }), ...errors() },
      },
    },
    '/pipeline/{task}/{reference}': {
      parameters: [
        {
          name: 'task',
          in: 'path',
          required: true,
          description: 'One of the tasks that the version serves',
          schema: { type: 'string', enum: TASK_NAMES },
        },
        reference('reference'),
      ],
      post: {
        tags: ['Hugging Face form'],
        operationId: 'predictTask',
        summary: 'Asks a model for another task that its weights serve',
        parameters: [TIMEOUT],
        requestBody: body({ anyOf: TASK_NAMES.map((name) => ref(pascal(name))) }, { inputs: 'Happy coding !!!' }),
        responses: { '200': answer('The answer of the task', {}), ...errors() },
      },
    },
  };
}

function openAi(): Json {
  const { $schema: _schema, ...request } = z.toJSONSchema(embeddingsBody, { io: 'input' });
  return {
    '/v1/embeddings': {
      post: {
        tags: OPENAI,
        operationId: 'embed',
        summary: 'Vectors of texts',
        parameters: [TIMEOUT],
        requestBody: body(request, { model: 'embeddings', input: ['A cat sleeps.'] }),
        responses: { '200': answer('One vector for each text', ref('EmbeddingsAnswer')), ...errors('OpenAiError') },
      },
    },
    '/v1/models': {
      get: {
        tags: OPENAI,
        operationId: 'listModels',
        summary: 'The models that the caller may use',
        responses: { '200': answer('Models by name', ref('OpenAiModels')), ...errors('OpenAiError') },
      },
    },
    '/v1/models/{id}': {
      parameters: [reference('id')],
      get: {
        tags: OPENAI,
        operationId: 'getModel',
        summary: 'What a reference means now',
        responses: { '200': answer('The model', ref('OpenAiModel')), ...errors('OpenAiError') },
      },
    },
  };
}

function operation(operationId: string, summary: string, rest: Json): Json {
  return { tags: OIP, operationId, summary, ...rest };
}

/** What can be asked of a model, and of one of its versions. */
function modelPaths(at: string, parameters: readonly Json[], suffix: string): Json {
  const notReady = { '409': answer('It cannot answer at once', { anyOf: [ref('ModelReady'), ref('Error')] }) };
  return {
    [at]: {
      parameters,
      get: operation(`describe${suffix}`, 'What a model takes and gives', {
        responses: { '200': answer('Metadata', ref('ModelMetadata')), ...errors() },
      }),
    },
    [`${at}/ready`]: {
      parameters,
      get: operation(`isReady${suffix}`, 'Whether it can answer at once', {
        responses: { '200': answer('It can', ref('ModelReady')), ...errors(), ...notReady },
      }),
    },
    [`${at}/infer`]: {
      parameters,
      post: operation(`infer${suffix}`, 'Text or tensors in, tensors out', {
        parameters: [TIMEOUT],
        requestBody: body(ref('InferRequest'), {
          inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['Happy coding !!!'] }],
        }),
        responses: { '200': answer('Outputs', ref('InferAnswer')), ...errors() },
      }),
    },
  };
}

/** Everything that clients use. */
export function inferencePaths(): Json {
  const name = reference('name');
  return {
    ...huggingFace(),
    ...pipeline(),
    ...openAi(),
    '/v2': {
      get: operation('serverMetadata', 'What this server is', {
        responses: { '200': answer('Name, version, extensions', ref('ServerMetadata')), ...errors() },
      }),
    },
    ...modelPaths('/v2/models/{name}', [name], ''),
    ...modelPaths('/v2/models/{name}/versions/{version}', [name, VERSION], 'Version'),
  };
}
