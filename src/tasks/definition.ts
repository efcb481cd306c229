import type { z } from 'zod';
import type { VersionFiles } from '../core/index.js';
import type { ModelConfig } from './model-config.js';
import type { OpenTask } from './task.js';
import type { TextTokenizer } from './tokenizer/tokenizer.js';

/** What a task is opened with. */
export interface TaskContext {
  readonly files: VersionFiles;
  readonly config: ModelConfig;
  readonly tokenizer: TextTokenizer;
}

/** One task: its name, what it takes, and how it is opened on a version. */
export interface TaskDefinition {
  /** Such as `text-classification`. */
  readonly name: string;
  /** One sentence for help texts. */
  readonly summary: string;
  /** Schema of `parameters`, each described; the source of HTTP schemas and command-line options. */
  readonly parameters: z.ZodObject;
  open(context: TaskContext): OpenTask | Promise<OpenTask>;
}

/** Id and side of padding of an open task, and its longest sequence, from its tokenizer. */
export function paddingOf(tokenizer: TextTokenizer): Pick<OpenTask, 'padId' | 'padLeft' | 'maxTokens' | 'facts'> {
  return {
    padId: tokenizer.padId,
    padLeft: tokenizer.padLeft,
    maxTokens: tokenizer.maxTokens,
    facts: { tokenizer: tokenizer.origin },
  };
}
