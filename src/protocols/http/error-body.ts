import type { ModelkeepError } from '../../core/index.js';
import { teiError } from './tei/errors.js';

/**
 * How a route tells errors, so that the clients of its form read them: `plain` is ours, `openai` that of the OpenAI API,
 * `cohere` that of its rerank API, `tei` that of Text Embeddings Inference.
 */
export type ErrorForm = 'plain' | 'openai' | 'cohere' | 'tei';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** How errors of this route are told. @defaultValue 'openai' below `/v1/`, else 'plain' */
    errors?: ErrorForm;
  }
}

/** The form of a path that no route has. */
export function errorFormOf(url: string): ErrorForm {
  return url.startsWith('/v1/') ? 'openai' : 'plain';
}

/** Status and body of an error in a form. */
export function errorAnswer(
  error: ModelkeepError,
  status: number,
  form: ErrorForm,
): { readonly status: number; readonly body: unknown } {
  const { code, message, details } = error;
  switch (form) {
    case 'tei':
      return teiError(error, status);
    case 'openai': {
      const param = typeof details['field'] === 'string' ? details['field'] : null;
      return { status, body: { error: { message, type: openAiType(status), param, code } } };
    }
    case 'cohere':
      return { status, body: { message, code } };
    case 'plain':
      return {
        status,
        body: { error: message, code, ...(Object.keys(details).length === 0 ? {} : { details }) },
      };
  }
}

function openAiType(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
