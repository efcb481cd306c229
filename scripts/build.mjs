/** `npm run build`: compiles, and bundles the programs. */
import { build } from './set-up.mjs';

build();
