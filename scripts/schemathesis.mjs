/**
 * `npm run test:schemathesis`: serves the small models and has Schemathesis ask everything of /openapi.json, with keys
 * and without. Arguments go to Schemathesis, such as `--max-examples 200`.
 */
import { setUp } from './set-up.mjs';

setUp();
await import('./schemathesis/main.mjs');
