import type { Digest } from './digest.js';
import { ModelkeepError } from './errors.js';

/** Which version of a model a {@link Reference} means. */
export type Selector =
  | { readonly kind: 'latest' }
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'alias'; readonly alias: string }
  /** The whole digest, or a prefix of at least {@link MIN_DIGEST_PREFIX} digits, as `sha256:<hex>`. */
  | { readonly kind: 'digest'; readonly digest: string };

/** A parsed reference such as `sentiment`, `sentiment:3`, `sentiment@production` or `sentiment@sha256:9f86d081`. */
export interface Reference {
  readonly model: string;
  readonly selector: Selector;
}

/** Longest model name and alias, in characters: a model name must fit a file name and an index key. */
export const MAX_NAME_LENGTH = 200;
/** Largest version number: a signed 32-bit integer, so that every store and protocol can hold it. */
export const MAX_VERSION = 2_147_483_647;
/** Fewest hexadecimal digits of an abbreviated digest. */
export const MIN_DIGEST_PREFIX = 8;

const PART = /^[a-z0-9][a-z0-9._-]*$/;
const HINT =
  'Names consist of a-z, 0-9, ".", "_" and "-", begin with a letter or digit, and use "/" between namespaces';

function quote(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
}

function isName(value: string, namespaces: boolean): boolean {
  if (value.length === 0 || value.length > MAX_NAME_LENGTH) return false;
  return namespaces ? value.split('/').every((part) => PART.test(part)) : PART.test(value);
}

/** True if `value` can be the name of a model. */
export function isModelName(value: string): boolean {
  return isName(value, true);
}

/**
 * Returns `value` if it can be the name of a model.
 *
 * @throws ModelkeepError `INVALID_REFERENCE`
 */
export function checkModelName(value: string): string {
  if (isModelName(value)) return value;
  const why =
    value.length > MAX_NAME_LENGTH
      ? `has ${value.length} characters, at most ${MAX_NAME_LENGTH} are allowed`
      : 'is not one';
  throw new ModelkeepError('INVALID_REFERENCE', `Model name ${quote(value)} ${why}. ${HINT}`, {
    details: { model: value.slice(0, MAX_NAME_LENGTH) },
  });
}

/**
 * Returns `value` if it can be an alias that somebody sets; `latest` is reserved.
 *
 * @throws ModelkeepError `INVALID_REFERENCE`
 */
export function checkAliasName(value: string): string {
  if (value === 'latest') {
    throw new ModelkeepError('INVALID_REFERENCE', 'The alias "latest" is reserved: it always means the newest version');
  }
  if (isName(value, false)) return value;
  throw new ModelkeepError('INVALID_REFERENCE', `Alias ${quote(value)} is not one. ${HINT.replace(/, and use.*/, '')}`);
}

function parseAt(text: string, model: string, rest: string): Reference {
  if (rest.startsWith('sha256:')) {
    const hex = rest.slice('sha256:'.length);
    if (!/^[0-9a-f]+$/.test(hex) || hex.length < MIN_DIGEST_PREFIX || hex.length > 64) {
      throw new ModelkeepError(
        'INVALID_REFERENCE',
        `Reference ${quote(text)} has a malformed digest: write ${MIN_DIGEST_PREFIX} to 64 lower-case hexadecimal digits after "sha256:"`,
      );
    }
    return { model, selector: { kind: 'digest', digest: rest } };
  }
  if (rest === 'latest') return { model, selector: { kind: 'latest' } };
  if (!isName(rest, false)) {
    throw new ModelkeepError('INVALID_REFERENCE', `Reference ${quote(text)} has a malformed alias after "@". ${HINT}`);
  }
  return { model, selector: { kind: 'alias', alias: rest } };
}

function parseVersion(text: string, model: string, rest: string): Reference {
  const version = /^[1-9][0-9]{0,9}$/.test(rest) ? Number(rest) : Number.NaN;
  if (Number.isNaN(version) || version > MAX_VERSION) {
    const hint = isName(rest, false) ? ` For an alias write ${quote(`${model}@${rest}`)}` : '';
    throw new ModelkeepError(
      'INVALID_REFERENCE',
      `Reference ${quote(text)} needs a version number from 1 to ${MAX_VERSION} after ":".${hint}`,
    );
  }
  return { model, selector: { kind: 'version', version } };
}

/**
 * Parses `name`, `name:version`, `name@alias` or `name@sha256:hex`.
 *
 * @throws ModelkeepError `INVALID_REFERENCE`, naming what is malformed
 */
export function parseReference(text: string): Reference {
  const at = text.indexOf('@');
  const colon = text.indexOf(':');
  const cut = at >= 0 && (colon < 0 || at < colon) ? at : colon;
  const model = checkModelName(cut < 0 ? text : text.slice(0, cut));
  if (cut < 0) return { model, selector: { kind: 'latest' } };
  const rest = text.slice(cut + 1);
  return text[cut] === '@' ? parseAt(text, model, rest) : parseVersion(text, model, rest);
}

/** The text form of a reference; `parseReference(formatReference(r))` equals `r`. */
export function formatReference({ model, selector }: Reference): string {
  switch (selector.kind) {
    case 'latest':
      return model;
    case 'version':
      return `${model}:${selector.version}`;
    case 'alias':
      return `${model}@${selector.alias}`;
    case 'digest':
      return `${model}@${selector.digest}`;
  }
}

/** True if a digest begins with the (perhaps abbreviated) digest of a reference. */
export function digestMatches(digest: Digest, prefix: string): boolean {
  return digest.startsWith(prefix);
}
