import type { ModelkeepError } from '../../core/index.js';

/** True for paths of the OpenAI form, whose errors have a shape of their own. */
export function isOpenAi(url: string): boolean {
  return url.startsWith('/v1/');
}

/** The body of an error: `{error, code, details}`, or as the OpenAI API has it where its clients ask. */
export function errorBody({ code, message, details }: ModelkeepError, status: number, url: string): unknown {
  if (isOpenAi(url)) {
    const param = typeof details['field'] === 'string' ? details['field'] : null;
    return { error: { message, type: openAiType(status), param, code } };
  }
  return { error: message, code, ...(Object.keys(details).length === 0 ? {} : { details }) };
}

function openAiType(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}
