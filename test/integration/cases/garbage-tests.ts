import { expect, test } from 'vitest';
import { folderOf, GARBAGE, GarbageBench } from './garbage.js';

/** Keys of a JSON object and of the objects in it, as paths. */
function keysOf(json: unknown, depth: number): readonly (readonly string[])[] {
  if (depth === 0 || typeof json !== 'object' || json === null) return [];
  return Object.entries(json)
    .slice(0, 60)
    .flatMap(([key, value]) => [[key], ...keysOf(value, depth - 1).map((below) => [key, ...below])]);
}

function changed(json: unknown, [key = '', ...rest]: readonly string[], value: unknown): unknown {
  const copy: Record<string, unknown> | unknown[] = Array.isArray(json)
    ? [...(json as unknown[])]
    : { ...(json as object) };
  const fields = copy as Record<string, unknown>;
  if (rest.length > 0) fields[key] = changed(fields[key], rest, value);
  else if (value === undefined) delete fields[key];
  else Object.defineProperty(fields, key, { value, enumerable: true });
  return copy;
}

/** Numbers from 0 on, the same for the same seed. */
function* draws(seed: number): Generator<number> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state;
  }
}

/**
 * Folders with garbage in each place: each ends in a version that answers, or in a refusal that names the place.
 *
 * @param step one of how many values is tried for each key
 */
export function garbageTests(folders: readonly string[], step: number): void {
  test.each(folders)(
    '%s with garbage in each setting answers, or is refused by name',
    { timeout: 600_000 },
    async (fixture) => {
      const folder = folderOf(fixture);
      const bench = await GarbageBench.open(folder);
      const faults: string[] = [];
      const random = draws(7);
      for (const [path, bytes] of Object.entries(folder)) {
        if (!path.endsWith('.json')) continue;
        const json: unknown = JSON.parse(bytes.toString('utf8'));
        // Of the vocabulary of a tokenizer its first words are enough.
        const keys = keysOf(json, path === 'tokenizer.json' ? 3 : 4).filter(
          (each) => each.length < 3 || each[1] !== 'vocab',
        );
        for (const each of keys) {
          const values = [undefined, ...GARBAGE].filter(() => (random.next().value as number) % step === 0);
          for (const value of values) {
            const text = Buffer.from(JSON.stringify(changed(json, each, value)));
            const fault = await bench.fault({ [path]: text }, [path, ...each, 'tokenizer']);
            if (fault !== undefined)
              faults.push(`${path} ${each.join('.')} = ${JSON.stringify(value)?.slice(0, 60)}: ${fault}`);
          }
        }
      }
      expect(faults).toEqual([]);
    },
  );

  test.each(folders)(
    '%s with files that are cut off, empty or other bytes answers, or is refused by name',
    { timeout: 600_000 },
    async (fixture) => {
      const folder = folderOf(fixture);
      const bench = await GarbageBench.open(folder);
      const faults: string[] = [];
      const random = draws(11);
      for (const [path, bytes] of Object.entries(folder)) {
        const at = (): number => (random.next().value as number) % bytes.length;
        const flipped = (): Buffer => {
          const copy = Buffer.from(bytes);
          for (let i = 0; i < 8; i += 1) copy[at() % Math.min(bytes.length, 4_096)]! ^= 1 << (at() % 8);
          return copy;
        };
        const variants: readonly (Buffer | undefined)[] = [
          undefined,
          Buffer.alloc(0),
          Buffer.from('null'),
          Buffer.from('[]'),
          Buffer.from('\u0000\u0001\u0002'),
          bytes.subarray(0, at()),
          bytes.subarray(0, bytes.length - 1),
          flipped(),
          flipped(),
        ];
        for (const [which, variant] of variants.entries()) {
          const fault = await bench.fault({ [path]: variant }, [
            path,
            path.split('/').at(-1) ?? path,
            'tokenizer',
            'config.json',
            'modules.json',
            'tensor',
          ]);
          if (fault !== undefined) faults.push(`${path} variant ${which}: ${fault}`);
        }
      }
      expect(faults).toEqual([]);
    },
  );
}
