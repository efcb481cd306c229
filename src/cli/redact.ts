/** Options of a MongoDB URL that hold a secret. */
const SECRET_OPTIONS = /([?&](?:tlsCertificateKeyFilePassword|authMechanismProperties|proxyPassword)=)[^&#]*/gi;

/**
 * A store's URL as it may be shown: without user and password, whatever characters they hold, and without the values of
 * options that are secrets. What is no URL with a host stays as it is.
 */
export function withoutSecrets(url: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(url) || /^file:/i.test(url)) return url;
  // Up to the last "@": a password that somebody forgot to escape may hold "@" and "/".
  return url.replace(/^([^:]+:\/\/).*@/s, '$1***@').replaceAll(SECRET_OPTIONS, '$1***');
}
