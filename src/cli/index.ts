/** cli/: one file a command. Turns flags into settings, calls the library, prints. */
export type { World } from './command.js';
export { EXIT_CODE } from './exit-code.js';
export { run } from './program.js';
