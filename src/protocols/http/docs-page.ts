import type { Json } from './openapi/shapes.js';

interface Operation {
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly description?: string;
  readonly security?: readonly unknown[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}
type Content = Readonly<Record<string, { readonly schema: Schema }>>;
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
}
interface Schema extends Json {
  readonly $ref?: string;
}
interface Document {
  readonly security: readonly unknown[];
  readonly info: { readonly title: string; readonly version: string; readonly summary: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

const STYLE = `
:root{--line:#d8dee6;--soft:#f4f6f9;--text:#1d2733;--quiet:#5b6876;--get:#1a7f4b;--post:#2457c5;--delete:#b3261e;--put:#9a5b00}
@media(prefers-color-scheme:dark){:root{--line:#323b46;--soft:#1b2129;--text:#e3e8ee;--quiet:#9aa7b5;--get:#52c98a;--post:#85a9ff;--delete:#ff8a80;--put:#e0a84e}body{background:#12171d}}
*{box-sizing:border-box}body{margin:0 auto;max-width:62rem;padding:2rem 1.25rem 5rem;font:16px/1.55 system-ui,sans-serif;color:var(--text)}
h1{margin:0}h2{margin:2.5rem 0 .75rem;border-bottom:1px solid var(--line);padding-bottom:.35rem}
p{margin:.4rem 0}.quiet{color:var(--quiet)}code,pre{font:13.5px/1.5 ui-monospace,monospace}
details{border:1px solid var(--line);border-radius:8px;margin:.5rem 0}summary{padding:.55rem .8rem;cursor:pointer;display:flex;gap:.75rem;align-items:baseline;flex-wrap:wrap}
details>div{padding:0 .8rem .8rem;border-top:1px solid var(--line)}h3{font-size:.85rem;margin:1rem 0 .3rem;color:var(--quiet);text-transform:uppercase;letter-spacing:.05em}
.method{font:700 12px ui-monospace,monospace;min-width:3.5rem}.get{color:var(--get)}.post{color:var(--post)}.delete{color:var(--delete)}.put,.patch{color:var(--put)}
summary code{font-weight:600;overflow-wrap:anywhere}summary span:last-child{color:var(--quiet)}
pre{background:var(--soft);padding:.7rem .9rem;border-radius:6px;overflow:auto;margin:.3rem 0;max-height:26rem}
table{border-collapse:collapse;width:100%}td{border-top:1px solid var(--line);padding:.3rem .6rem .3rem 0;vertical-align:top;overflow-wrap:anywhere}td:first-child{white-space:nowrap}a{color:var(--post)}`;

/** The OpenAPI document as a page that needs nothing else: no script, no other address. */
export function docsPage(document: Json): string {
  const { info, paths, components, security } = document as unknown as Document;
  const all = Object.entries(paths).flatMap(([path, item]) =>
    METHODS.filter((method) => method in item).map((method) => {
      const shared = (item['parameters'] ?? []) as readonly Parameter[];
      return { path, method, operation: item[method] as Operation, shared };
    }),
  );
  const tags = [...new Set(all.map(({ operation }) => operation.tags?.[0] ?? 'Other'))];
  const sections = tags.map((tag) => {
    const own = all.filter(({ operation }) => (operation.tags?.[0] ?? 'Other') === tag);
    return `<h2>${escape(tag)}</h2>${own.map(section).join('')}`;
  });
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details id="${escape(name)}"><summary><code>${escape(name)}</code><span>${escape(text(schema['title']))}</span></summary><div>${json(schema)}</div></details>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escape(info.title)} HTTP</title><style>${STYLE}</style></head><body>
<h1>${escape(info.title)}</h1><p class="quiet">${escape(info.summary)} · version ${escape(info.version)} · <a href="/openapi.json">openapi.json</a></p>
<p>${wanted(security)}</p>
${sections.join('\n')}<h2>Schemas</h2>${schemas.join('')}</body></html>`;
}

function section({
  path,
  method,
  operation,
  shared,
}: {
  readonly path: string;
  readonly method: string;
  readonly operation: Operation;
  readonly shared: readonly Parameter[];
}): string {
  const { summary = '', description, requestBody, responses, security } = operation;
  const parameters = [...shared, ...(operation.parameters ?? [])];
  const parts = [
    description === undefined ? '' : `<p>${escape(description)}</p>`,
    security?.length === 0 ? '<p class="quiet">Open: needs no credentials.</p>' : '',
    parameters.length === 0 ? '' : `<h3>Parameters</h3>${table(parameters.map(parameterRow))}`,
    requestBody === undefined ? '' : `<h3>Body</h3>${content(requestBody.content)}`,
    '<h3>Answers</h3>',
    table(
      Object.entries(responses).map(([status, { description: why, content: given }]) => [
        `<code>${escape(status)}</code>`,
        escape(why),
        status.startsWith('2') ? content(given ?? {}) : links(given ?? {}),
      ]),
    ),
  ];
  return `<details><summary><span class="method ${method}">${method.toUpperCase()}</span><code>${escape(path)}</code><span>${escape(summary)}</span></summary><div>${parts.join('')}</div></details>`;
}

function wanted(security: readonly unknown[]): string {
  if (security.length === 0) return 'This server wants no credentials.';
  return 'Send <code>Authorization: Bearer KEY</code> with a key of this server, or a token.';
}

function parameterRow({ name, in: place, required, description = '' }: Parameter): readonly string[] {
  return [
    `<code>${escape(name)}</code>`,
    `${escape(place)}${required === true ? ', required' : ''}`,
    escape(description),
  ];
}

function table(rows: readonly (readonly string[])[]): string {
  return `<table>${rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('')}</table>`;
}

function content(given: Content): string {
  return Object.values(given)
    .map(({ schema }) => (schema.$ref === undefined ? json(schema) : link(schema.$ref)))
    .join('');
}

function links(given: Content): string {
  return Object.values(given)
    .flatMap(({ schema }) => (schema.$ref === undefined ? [] : [link(schema.$ref)]))
    .join('');
}

function link(ref: string): string {
  const name = ref.split('/').at(-1) ?? '';
  return `<a href="#${escape(name)}"><code>${escape(name)}</code></a>`;
}

/** A schema as JSON in which references lead to their schemas. */
function json(schema: Json): string {
  const shown = escape(JSON.stringify(schema, null, 2));
  const ref = /\{\s*&quot;\$ref&quot;: &quot;(#[\w/]+)&quot;\s*\}/g;
  return `<pre>${shown.replaceAll(ref, (_match, path: string) => link(path))}</pre>`;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function escape(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
