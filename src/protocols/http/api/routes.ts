import { ALIAS_ROUTES } from './aliases.js';
import { CARE_ROUTES } from './care.js';
import type { ApiRoute } from './route.js';
import { TRANSFER_ROUTES } from './transfer.js';
import { UPLOAD_ROUTES } from './uploads.js';
import { VERSION_ROUTES } from './versions.js';

/** Every route of the management API: the server serves them, and the document lists them. */
export const API_ROUTES: readonly ApiRoute[] = [
  ...VERSION_ROUTES,
  ...TRANSFER_ROUTES,
  ...UPLOAD_ROUTES,
  ...ALIAS_ROUTES,
  ...CARE_ROUTES,
];
