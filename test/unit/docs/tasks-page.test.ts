import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { answerColumns, rowFields, TASK_NAMES, TASKS } from '../../../src/tasks/index.js';
import { optionRows } from './task-options.js';

const page = readFileSync('docs/tasks.md', 'utf8');

/** The section of a task: from its heading to the next. */
function sectionOf(task: string): string {
  const from = page.indexOf(`\n## ${task}\n`);
  if (from < 0) throw new Error(`docs/tasks.md has no section ${task}`);
  const to = page.indexOf('\n## ', from + 1);
  return page.slice(from, to < 0 ? undefined : to);
}

/** The first JSON block behind a line of text. */
function jsonAfter(section: string, mark: string): unknown {
  const from = section.indexOf('```json\n', section.indexOf(mark)) + '```json\n'.length;
  return JSON.parse(section.slice(from, section.indexOf('\n```', from)));
}

describe.each(TASK_NAMES.map((name) => [name] as const))('the page on %s', (name) => {
  const definition = TASKS.get(name);
  if (definition === undefined) throw new Error(`There is no task ${name}`);

  test('says what it does', () => {
    expect(sectionOf(name)).toContain(definition.summary);
  });

  test('lists exactly the options of the schema, with defaults', () => {
    const rows = sectionOf(name)
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    expect(rows).toEqual(optionRows(definition));
  });

  test('shows a request that the task takes, and an answer', () => {
    const section = sectionOf(name);
    const request = jsonAfter(section, 'Request') as { inputs: unknown; parameters?: unknown };
    expect(Object.keys(request)).toContain('inputs');
    expect(definition.parameters.safeParse(request.parameters ?? {}).error).toBeUndefined();
    expect(jsonAfter(section, 'Answer')).toBeTypeOf('object');
  });

  test('names the columns of a table', () => {
    const section = sectionOf(name);
    for (const column of [...rowFields(name), ...answerColumns(name, false)])
      expect(section).toContain(`\`${column}\``);
  });
});

test('every section is a task', () => {
  const headings = [...page.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
  expect(headings.filter((heading) => TASKS.has(heading ?? ''))).toEqual([...TASK_NAMES]);
});
