import { realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { ModelkeepError, type VersionFiles } from '../../core/index.js';
import type { Artifact } from '../artifact.js';
import { summaryOf, warningOf } from '../folder/file-kinds.js';
import { listModelFiles } from '../listing.js';
import { readJson } from '../read-json.js';
import { WEIGHTS_FILE, WEIGHTS_INDEX_FILE } from '../shards.js';
import { ADAPTER_CONFIG_FILE, HEAD_OF_TASK, readLoraConfig } from './lora-config.js';

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_ARTIFACT', message);
}

/**
 * Finds the files of a PEFT adapter. Reads no weights but to look for numbers that are none.
 *
 * @param path the directory that `save_pretrained` of an adapted model made
 * @throws ModelkeepError `INVALID_ARTIFACT` if there is no adapter, or a whole model beside it
 */
export async function inspectAdapter(path: string): Promise<Artifact> {
  const absolute = resolve(path);
  if (statSync(absolute, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw invalid(`${path} is no directory. An adapter is the directory that holds ${ADAPTER_CONFIG_FILE}`);
  const { files, leftOut } = listModelFiles(absolute);
  const has = (name: string): boolean => files.some((file) => file.path === name);
  if (!has(ADAPTER_CONFIG_FILE))
    throw invalid(`${path} has no ${ADAPTER_CONFIG_FILE}, so it is no adapter. Publish it without --base`);
  const whole = [WEIGHTS_FILE, WEIGHTS_INDEX_FILE].find(has);
  if (whole !== undefined)
    throw invalid(
      `${path} has an adapter and, in ${whole}, a whole model. Publish one of them from a folder of its own`,
    );
  const directory = realpathSync(absolute);
  return { format: 'hf', directory, files, leftOut: summaryOf(leftOut), warnings: [warningOf(leftOut) ?? []].flat() };
}

/** Any class name of transformers, taken apart: family and head. */
const CLASS_NAME = /^(?<family>\w+?)(?:For[A-Z]\w*|Model)$/;

/**
 * The config.json of a base model as its adapter needs it: with the head that the adapter was trained for, which the
 * base may lack. Undefined if it is right as it is.
 *
 * @param files those of the adapter and of its base
 * @throws ModelkeepError as `readLoraConfig`; `INVALID_ARTIFACT` for a config.json that is damaged
 */
export async function adaptedConfig(files: VersionFiles): Promise<Readonly<Record<string, unknown>> | undefined> {
  const { taskType } = await readLoraConfig(files);
  const config = await readJson(files, 'config.json');
  const [architecture] = Array.isArray(config['architectures']) ? (config['architectures'] as readonly unknown[]) : [];
  const head = taskType === undefined ? undefined : HEAD_OF_TASK[taskType];
  const family = typeof architecture === 'string' ? CLASS_NAME.exec(architecture)?.groups?.['family'] : undefined;
  if (head === undefined || family === undefined || architecture === family + head) return undefined;
  return { ...config, architectures: [family + head] };
}
