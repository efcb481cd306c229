import { flag, list, namedUrls, setting } from './setting.js';

/** Settings of what a node believes, and whom it tells what happens. */
export const TRUST_SETTINGS = Object.freeze({
  requireSignature: setting<readonly string[]>({
    schema: list,
    defaultValue: [],
    description:
      'Files of public keys (PEM), separated by commas: only versions that one of them signed are loaded; none: any is',
    placeholder: 'FILES',
  }),
  otherStores: setting<readonly string[]>({
    schema: namedUrls,
    defaultValue: [],
    description:
      'Stores that requests over HTTP may name, to copy to and to mend from: NAME=URL, separated by spaces; none: no request may',
    placeholder: 'STORES',
    secret: true,
  }),
  webhookAllowPrivate: setting<boolean>({
    schema: flag,
    defaultValue: false,
    description: 'Whether webhooks may go to loopback, link-local and private addresses, and over plain HTTP',
    placeholder: 'BOOL',
    valueOptional: true,
  }),
});
