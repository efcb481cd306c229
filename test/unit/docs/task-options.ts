import { z } from 'zod';
import type { TaskDefinition } from '../../../src/tasks/index.js';

type Json = { readonly [name: string]: unknown };

/** The rows of a task's table of options, as `docs/tasks.md` shows them, from the schema that requests are held to. */
export function optionRows({ parameters }: TaskDefinition): string[] {
  const schema = z.toJSONSchema(parameters, { io: 'input' }) as Json;
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Json>>;
  const required = (schema['required'] ?? []) as readonly string[];
  return Object.entries(properties).map(([name, option]) => {
    const { description } = option;
    const value = required.includes(name) ? 'required' : defaultOf(option);
    return `| \`${name}\` | ${typeOf(option)} | ${value} | ${String(description)} |`;
  });
}

function defaultOf(option: Json): string {
  return 'default' in option ? `\`${JSON.stringify(option['default'])}\`` : '';
}

function typeOf(option: Json): string {
  const {
    type,
    enum: values,
    anyOf,
    items,
  } = option as { type?: string; enum?: unknown[]; anyOf?: Json[]; items?: Json };
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(', ');
  if (anyOf !== undefined) return anyOf.map(typeOf).join(' or ');
  if (type === 'array') return `list of ${typeOf(items ?? {})}s`;
  return { integer: 'whole number', string: 'text', boolean: 'true or false', null: '`null`' }[type ?? ''] ?? 'number';
}
