/** Reports files over 300 lines and functions over 50: prompts to look, not a gate. */
import { readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { root } from './set-up.mjs';

const FILE_LINES = 300;
const FUNCTION_LINES = 50;
const files = spawnSync('git', ['ls-files', 'src', 'test', 'bench', 'scripts'], { cwd: root, encoding: 'utf8' })
  .stdout.split('\n')
  .filter((path) => /\.(ts|mjs)$/.test(path));

let found = 0;
for (const path of files) {
  const lines = readFileSync(root + path, 'utf8').split('\n');
  if (lines.length > FILE_LINES) report(`${path}: ${lines.length} lines`);
  // A function of the formatted source begins on a line that opens a brace and ends on the first one as deep that closes it.
  lines.forEach((line, index) => {
    const head =
      /^(\s*)(?:export )?(?:default )?(?:async )?(?:static )?(?:function\*? |(?:readonly )?#?[\w]+(?:<[^>]*>)?\(|get |set |(?:const|let) \w+ = (?:async )?\().*\{$/.exec(
        line,
      );
    if (head === null || /^\s*(if|for|while|switch|describe|class)\b/.test(line)) return;
    const end = lines.findIndex((other, at) => at > index && other.startsWith(`${head[1]}}`));
    if (end - index > FUNCTION_LINES) report(`${path}:${index + 1}: a function of ${end - index + 1} lines`);
  });
}
console.log(`${files.length} files, ${found} over ${FILE_LINES} lines a file or ${FUNCTION_LINES} a function`);

function report(message) {
  found += 1;
  console.log(message);
}
