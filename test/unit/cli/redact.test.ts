import { expect, test } from 'vitest';
import { withoutSecrets } from '../../../src/cli/redact.js';

test.each([
  ['mongodb://user:pass@host:27017/db', 'mongodb://***@host:27017/db'],
  ['mongodb://user@host/db', 'mongodb://***@host/db'],
  ['mongodb+srv://user:p@ss/w:rd@host/db?w=1', 'mongodb+srv://***@host/db?w=1'],
  [
    'mongodb://host/db?tls=true&tlsCertificateKeyFilePassword=secret&w=1',
    'mongodb://host/db?tls=true&tlsCertificateKeyFilePassword=***&w=1',
  ],
  [
    'mongodb://host/db?AuthMechanismProperties=AWS_SESSION_TOKEN:secret',
    'mongodb://host/db?AuthMechanismProperties=***',
  ],
  ['mongodb://host/db?w=1', 'mongodb://host/db?w=1'],
  ['file:///data/a@b', 'file:///data/a@b'],
  ['/data/a@b', '/data/a@b'],
  ['memory:', 'memory:'],
])('%s is shown as %s', (url, shown) => {
  expect(withoutSecrets(url)).toBe(shown);
});
