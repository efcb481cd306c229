import { readFile, stat } from 'node:fs/promises';
import { MAX_METADATA_BYTES, ModelkeepError } from '../../app/index.js';

/** Largest file of metadata that is read: JSON with white space may be longer than what is kept of it. */
const MAX_FILE_BYTES = 4 * MAX_METADATA_BYTES;

/** Free facts from `--metadata` or `--metadata-file`. @throws ModelkeepError `INVALID_INPUT` for both, or no JSON object */
export async function readMetadata(flags: {
  readonly metadata?: string;
  readonly metadataFile?: string;
}): Promise<Record<string, unknown> | undefined> {
  const { metadata, metadataFile } = flags;
  if (metadata !== undefined && metadataFile !== undefined) {
    throw new ModelkeepError('INVALID_INPUT', 'Give --metadata or --metadata-file, not both');
  }
  if (metadataFile !== undefined) return parseObject(await readBounded(metadataFile), metadataFile);
  return metadata === undefined ? undefined : parseObject(metadata, '--metadata');
}

async function readBounded(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size <= MAX_FILE_BYTES) return await readFile(path, 'utf8');
    throw new ModelkeepError(
      'INVALID_INPUT',
      `${path} has ${size} bytes, at most ${MAX_METADATA_BYTES} of metadata are kept: put large facts into a file of the version`,
    );
  } catch (error) {
    if (error instanceof ModelkeepError) throw error;
    throw new ModelkeepError('INVALID_INPUT', `${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function parseObject(text: string, name: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw new ModelkeepError('INVALID_INPUT', `${name} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  throw new ModelkeepError('INVALID_INPUT', `${name} is not a JSON object: write {"key": "value"}`);
}
