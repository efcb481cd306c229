import { ModelkeepError, type VersionFiles } from '../../core/index.js';

/** The file of a pickled version that names the Python packages it wants. */
export const REQUIREMENTS_FILE = 'requirements.txt';

/** Largest such file, in bytes: some hundred lines, which no estimator needs. */
const MAX_REQUIREMENTS_BYTES = 65_536;

/**
 * `name==version`, with extras and an environment marker, as the packaging specifications write them. No character of
 * it starts an option, a path, a URL, a continued line or a variable, all of which pip would follow.
 */
const REQUIREMENT =
  /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)[ \t]*(\[[A-Za-z0-9,._ \t-]*\])?[ \t]*==[ \t]*([A-Za-z0-9](?:[A-Za-z0-9.!+_-]*[A-Za-z0-9])?)[ \t]*(;[A-Za-z0-9_.,'"<>=!~() \t-]+)?$/;

/**
 * Reads the packages that a version names, in the one form of each list: names as package indexes compare them, sorted,
 * without comments and white space.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` naming the first line that is not `name==version`: a list that is not
 * exact would make another environment on another day, and an option, path or URL could make pip run or read anything
 */
export function parseRequirements(text: string): readonly string[] {
  const found = text.split(/\r?\n/).flatMap((line, index) => {
    const stripped = line.replace(/(^|\s)#.*$/, '').trim();
    if (stripped === '') return [];
    const match = REQUIREMENT.exec(stripped);
    if (match === null) {
      throw new ModelkeepError(
        'INVALID_ARTIFACT',
        `${REQUIREMENTS_FILE}, line ${index + 1}: ${JSON.stringify(stripped.slice(0, 200))} is no name==version. Write ` +
          'each package with its exact release, and no option, path or URL',
      );
    }
    const [, name = '', extras = '', version = '', marker = ''] = match;
    const canonical = name.toLowerCase().replaceAll(/[-_.]+/g, '-');
    const condition = marker.slice(1).trim().replaceAll(/\s+/g, ' ');
    return `${canonical}${extras.replaceAll(/\s/g, '')}==${version}${condition === '' ? '' : `; ${condition}`}`;
  });
  if (found.length > 0) return [...new Set(found)].toSorted();
  throw new ModelkeepError(
    'INVALID_ARTIFACT',
    `${REQUIREMENTS_FILE} names no package. Write lines such as scikit-learn==1.5.2, or leave the file out`,
  );
}

/**
 * The packages that a version names; undefined if it names none.
 *
 * @throws ModelkeepError `INVALID_ARTIFACT` as {@link parseRequirements}, and for a file that is too large
 */
export async function readRequirements(files: VersionFiles): Promise<readonly string[] | undefined> {
  const size = files.size(REQUIREMENTS_FILE);
  if (size === undefined) return undefined;
  if (size > MAX_REQUIREMENTS_BYTES) {
    throw new ModelkeepError(
      'INVALID_ARTIFACT',
      `${REQUIREMENTS_FILE} has ${size} bytes, at most ${MAX_REQUIREMENTS_BYTES} are read. Name only what the model needs`,
    );
  }
  return parseRequirements(Buffer.from(await files.read(REQUIREMENTS_FILE)).toString('utf8'));
}
