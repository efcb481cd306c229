import { golden, goldenRows } from '../unit/tasks/directory-files.js';

/** What a model is asked. */
export interface Asked {
  readonly inputs: unknown;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** A published fixture: what it is asked, and what transformers answered. */
export interface Suite {
  readonly model: string;
  readonly folder: string;
  /** Named at publish, where the files alone tell another task. */
  readonly task?: string;
  readonly cases: readonly (Asked & { readonly output: unknown })[];
}

type Cases<C> = { readonly cases: readonly (C & { readonly output: unknown })[] };

function nerSuite(): Suite {
  const { cases } =
    golden<Cases<{ text: string; aggregation_strategy: string; stride: number | null }>>('tasks/ner/golden.json');
  return {
    model: 'ner',
    folder: 'tasks/ner',
    cases: cases.map(({ text, aggregation_strategy, stride, output }) => ({
      inputs: text,
      parameters: { aggregation_strategy, ...(stride === null ? {} : { stride }) },
      output,
    })),
  };
}

function qaSuite(): Suite {
  const { cases } =
    golden<Cases<{ question: string; context: string; options: Record<string, unknown> }>>('tasks/qa/golden.json');
  return {
    model: 'qa',
    folder: 'tasks/qa',
    cases: cases.map(({ question, context, options, output }) => ({
      inputs: { question, context },
      parameters: options,
      output,
    })),
  };
}

function maskSuite(): Suite {
  const { cases } = golden<Cases<{ text: string; options: Record<string, unknown> }>>('tasks/fill-mask/golden.json');
  return {
    model: 'words',
    folder: 'tasks/fill-mask',
    cases: cases.map(({ text, options, output }) => ({ inputs: text, parameters: options, output })),
  };
}

function zeroShotSuite(): Suite {
  const { cases } =
    golden<Cases<{ text: string; candidate_labels: string[]; multi_label: boolean; hypothesis_template: string }>>(
      'tasks/zero-shot/golden.json',
    );
  return {
    model: 'topics',
    folder: 'tasks/zero-shot',
    task: 'zero-shot-classification',
    cases: cases.map(({ text, output, candidate_labels, multi_label, hypothesis_template }) => ({
      inputs: text,
      parameters: { candidate_labels, multi_label, hypothesis_template },
      output,
    })),
  };
}

function embeddingSuites(): Suite[] {
  const { sentences, token_features: features } = golden<{
    readonly sentences: readonly { text: string; mean_pooled: number[]; embedding: number[] }[];
    readonly token_features: readonly { text: string; output: unknown }[];
  }>('tasks/embeddings/golden.json');
  const folder = 'tasks/embeddings';
  const texts = sentences.map(({ text }) => text);
  const vectors = sentences.map(({ embedding }) => embedding);
  const cosines = vectors.slice(1).map((vector) => vector.reduce((sum, x, i) => sum + x * (vectors[0]?.[i] ?? 0), 0));
  return [
    {
      model: 'vectors',
      folder,
      cases: [
        { inputs: texts, output: vectors },
        { inputs: texts, parameters: { normalize: false }, output: sentences.map((each) => each.mean_pooled) },
        ...texts.map((inputs, at) => ({ inputs, output: vectors[at] })),
      ],
    },
    {
      model: 'alike',
      folder,
      task: 'sentence-similarity',
      cases: [{ inputs: { source_sentence: texts[0], sentences: texts.slice(1) }, output: cosines }],
    },
    {
      model: 'features',
      folder,
      task: 'feature-extraction',
      cases: features.map(({ text, output }) => ({ inputs: text, output })),
    },
  ];
}

/** A fixture of `archs`, asked as the pipeline is. */
export function archSuite(arch: string): Suite {
  const rows = goldenRows<{ text: string; text_pair?: string; label: string; score: number }>(
    `archs/${arch}/golden.jsonl`,
  );
  return {
    model: arch,
    folder: `archs/${arch}`,
    cases: rows.map(({ text, text_pair, label, score }) =>
      text_pair === undefined
        ? { inputs: text, output: [{ label, score }] }
        : { inputs: { text, text_pair }, output: { label, score } },
    ),
  };
}

/** Every tiny model of a task other than text-classification. */
export const TASK_SUITES: readonly Suite[] = [
  nerSuite(),
  qaSuite(),
  maskSuite(),
  zeroShotSuite(),
  ...embeddingSuites(),
];

/** Every family, with a head of sequence classification. */
export const ARCHS = [
  'albert',
  'bert',
  'camembert',
  'deberta-v2',
  'distilbert',
  'electra',
  'modernbert',
  'mpnet',
  'roberta',
  'xlm-roberta',
] as const;

/** The versions of the small classifier. */
const SENTIMENT = ['v1', 'v2', 'v3-head', 'v4-bad', 'v2-onnx'] as const;

/** A checkpoint of sequence classification, asked for the logits of all its labels. */
function logitsSuite(folder: string, model: string): Suite {
  const rows = goldenRows<{ text: string; text_pair?: string; logits: readonly number[] }>(`${folder}/golden.jsonl`);
  const { id2label } = golden<{ readonly id2label: Readonly<Record<string, string>> }>(`${folder}/config.json`);
  return {
    model,
    folder,
    cases: rows.map(({ text, text_pair, logits }) => ({
      inputs: text_pair === undefined ? text : { text, text_pair },
      parameters: { function_to_apply: 'none', top_k: null },
      output: logits
        .map((score, label) => ({ label: id2label[label], score }))
        .toSorted((one, other) => other.score - one.score),
    })),
  };
}

/** Every checkpoint of sequence classification. */
export const LOGIT_SUITES: readonly Suite[] = [
  ...ARCHS.map((arch) => logitsSuite(`archs/${arch}`, arch)),
  ...SENTIMENT.map((version) => logitsSuite(`sentiment/${version}`, `sentiment-${version}`)),
];
