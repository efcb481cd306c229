import { ModelkeepError } from './errors.js';

/** Free facts of a version. */
export type Metadata = Readonly<Record<string, unknown>>;

/** Largest metadata of a version as JSON: 1 MiB. */
export const MAX_METADATA_BYTES = 1024 * 1024;
/** Deepest nesting of metadata. */
export const MAX_METADATA_DEPTH = 32;
/** Longest key of metadata, in characters. */
const MAX_KEY_LENGTH = 200;
/** Most tags of a version, and most annotations. */
const MAX_MARKS = 100;
/** Longest text of an annotation, in characters. */
const MAX_ANNOTATION_LENGTH = 4_096;

const TAG = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$/;
const ANNOTATION_KEY = /^[A-Za-z][A-Za-z0-9_-]{0,99}$/;

function invalid(message: string): ModelkeepError {
  return new ModelkeepError('INVALID_INPUT', message);
}

/**
 * Returns `metadata` if every store can keep it and give it back as it is.
 *
 * @throws ModelkeepError `INVALID_INPUT` for what is no JSON object, more than 1 MiB, more than 32 levels, a number that
 * JSON cannot hold, or a key that is empty, longer than 200 characters, begins with `$`, or holds `.` or a control
 * character; the message names the place
 */
export function checkMetadata<T extends Metadata | undefined>(metadata: T): T {
  if (metadata === undefined) return metadata;
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw invalid('The metadata is no JSON object: write {"key": "value"}');
  }
  // Before it becomes text: a cycle, or nesting without end, would end the stack.
  checkValue(metadata, ['metadata']);
  const bytes = Buffer.byteLength(JSON.stringify(metadata));
  if (bytes <= MAX_METADATA_BYTES) return metadata;
  throw invalid(
    `The metadata has ${bytes} bytes as JSON, at most ${MAX_METADATA_BYTES} are allowed: keep large facts in files of the version`,
  );
}

function checkValue(value: unknown, path: readonly string[]): void {
  if (path.length > MAX_METADATA_DEPTH) {
    throw invalid(`The metadata is nested more than ${MAX_METADATA_DEPTH} deep at ${placeOf(path.slice(0, 4))} …`);
  }
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw invalid(`${placeOf(path)} is ${value}, which JSON cannot hold: write a text instead`);
  }
  if (value instanceof Date) return;
  if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol') {
    throw invalid(`${placeOf(path)} is a ${typeof value}, which JSON cannot hold: write a text instead`);
  }
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const [index, one] of value.entries()) checkValue(one, [...path, String(index)]);
    return;
  }
  for (const [key, one] of Object.entries(value)) {
    const why = whyBadKey(key);
    if (why !== undefined) {
      throw invalid(`The key ${JSON.stringify(key.slice(0, 80))} in ${placeOf(path)} ${why}: choose another`);
    }
    checkValue(one, [...path, key]);
  }
}

function placeOf(path: readonly string[]): string {
  return path.join('.').slice(0, 200);
}

function whyBadKey(key: string): string | undefined {
  if (key.length === 0) return 'is empty';
  if (key.length > MAX_KEY_LENGTH) return `has ${key.length} characters, at most ${MAX_KEY_LENGTH} are allowed`;
  if (key.startsWith('$')) return 'begins with "$"';
  if (key.includes('.')) return 'holds ".", which separates the parts of a field in a search';
  // oxlint-disable-next-line no-control-regex -- control characters are what this looks for
  if (/[\u0000-\u001f\u007f]/.test(key)) return 'holds a control character';
  return key === '__proto__' ? 'is reserved' : undefined;
}

/** Returns tags without repetitions, sorted. @throws ModelkeepError `INVALID_INPUT` naming the malformed one */
export function checkTags(tags: readonly string[]): readonly string[] {
  for (const tag of tags) {
    if (!TAG.test(tag)) {
      throw invalid(
        `Tag ${JSON.stringify(tag.slice(0, 100))} is not one: write up to 100 of a-z, A-Z, 0-9, ".", "_", ":", "/" and "-"`,
      );
    }
  }
  if (tags.length > MAX_MARKS) throw invalid(`A version has at most ${MAX_MARKS} tags, not ${tags.length}`);
  return [...new Set(tags)].toSorted();
}

/** What an annotation holds. */
export type AnnotationValue = string | number | boolean;

/** A change of what may change about a version. */
export interface AnnotationChange {
  readonly addTags?: readonly string[];
  readonly removeTags?: readonly string[];
  /** Values to set; `null` removes one. */
  readonly annotations?: Readonly<Record<string, AnnotationValue | null>>;
}

/** What may change about a version. */
export interface Marks {
  /** Sorted; absent: none. */
  readonly tags?: readonly string[];
  /** Absent: none. */
  readonly annotations?: Readonly<Record<string, AnnotationValue>>;
}

/** What a change does to the marks of a version; `changed` is false if it does nothing. */
export interface MarksChanged {
  readonly marks: Required<Marks>;
  readonly changed: boolean;
  /** What came and went: tags as `tag`, annotations as `key=`. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Checks a change. @throws ModelkeepError `INVALID_INPUT` naming the malformed tag, key or value */
export function checkAnnotationChange(change: AnnotationChange): AnnotationChange {
  checkTags(change.addTags ?? []);
  checkTags(change.removeTags ?? []);
  for (const [key, value] of Object.entries(change.annotations ?? {})) {
    if (!ANNOTATION_KEY.test(key)) {
      throw invalid(
        `The annotation ${JSON.stringify(key.slice(0, 100))} is none: begin with a letter, then a-z, 0-9, "_" and "-"`,
      );
    }
    const fits =
      value === null ||
      typeof value === 'boolean' ||
      (typeof value === 'number' && Number.isFinite(value)) ||
      (typeof value === 'string' && value.length <= MAX_ANNOTATION_LENGTH);
    if (!fits) {
      throw invalid(
        `The annotation "${key}" must be a number, true, false, or a text of at most ${MAX_ANNOTATION_LENGTH} characters`,
      );
    }
  }
  return change;
}

/** Applies a change. @throws ModelkeepError `INVALID_INPUT` for more than 100 tags or annotations */
export function changeMarks(before: Marks, change: AnnotationChange): MarksChanged {
  const { tags = [], annotations = {} } = before;
  const { addTags = [], removeTags = [], annotations: wanted = {} } = change;
  const kept = tags.filter((tag) => !removeTags.includes(tag));
  const next = checkTags([...kept, ...addTags]);
  const entries = new Map(Object.entries(annotations));
  const [added, removed] = [next.filter((tag) => !tags.includes(tag)), tags.filter((tag) => !next.includes(tag))];
  for (const [key, value] of Object.entries(wanted)) {
    if (value === null && entries.delete(key)) removed.push(`${key}=`);
    if (value === null || entries.get(key) === value) continue;
    entries.set(key, value);
    added.push(`${key}=`);
  }
  if (entries.size > MAX_MARKS) throw invalid(`A version has at most ${MAX_MARKS} annotations, not ${entries.size}`);
  const marks = { tags: next, annotations: Object.fromEntries(entries) };
  return { marks, changed: added.length + removed.length > 0, added, removed };
}
