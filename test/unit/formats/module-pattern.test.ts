import { expect, test } from 'vitest';
import { ModulePattern } from '../../../src/formats/adapter/module-pattern.js';

const QUERY = 'bert.encoder.layer.11.attention.self.query';

/** What `re.match` of Python 3.11 says. */
test.each([
  ['bert', true],
  ['encoder', false],
  [String.raw`.*\.query$`, true],
  [String.raw`(.*\.)?(query)$`, true],
  [String.raw`(.*\.)?(quer)$`, false],
  [String.raw`(.*\.)?(^bert\.encoder.*)$`, true],
  [String.raw`(.*\.)?(^encoder.*)$`, false],
  [String.raw`.*layer\.(1|2|11)\.`, true],
  [String.raw`.*layer\.([2-9]|1[0-2])\..*\.(query|key)\Z`, true],
  [String.raw`.*layer\.\d\.`, false],
  [String.raw`.*layer\.\d{2}\.`, true],
  [String.raw`.*layer\.\d{1,}\.`, true],
  [String.raw`.*layer\.\d{,1}\.`, false],
  [String.raw`.*layer\.[^.]+\.attention`, true],
  [String.raw`.*layer\.[\d]+?\.attention`, true],
  [String.raw`.*layer\.[a\-\d]+\.`, true],
  [String.raw`.*layer\.[]1]+\.`, true],
  [String.raw`(?:bert|roberta)\.(?P<part>\w+)\.`, true],
  [String.raw`.*\bself\b.*`, true],
  [String.raw`.*\bsel\b.*`, false],
  [String.raw`.*sel\B`, true],
  ['', true],
  ['$', false],
  ['bert|roberta', true],
  ['roberta|', true],
  ['b{', false],
  ['(a|b|)*bert', true],
  [String.raw`.*\x`, undefined],
  ['(?=bert)', undefined],
  ['(?i)BERT', undefined],
  [String.raw`(b)\1`, undefined],
  ['(bert', undefined],
  ['bert)', undefined],
  ['[bert', undefined],
  ['*bert', undefined],
  ['b**', undefined],
  ['b{2,1}', undefined],
  ['(((b{1000}){1000}){1000})', undefined],
  ['('.repeat(1_000) + ')'.repeat(1_000), undefined],
])('%j', (pattern, expected) => {
  expect(ModulePattern.read(pattern)?.matches(QUERY)).toBe(expected);
});

test('time does not explode with what is repeated in what is repeated', () => {
  const before = performance.now();
  expect(ModulePattern.read('(((a+)+)+)+$')?.matches(`${'a'.repeat(5_000)}b`)).toBe(false);
  expect(ModulePattern.read('(.*.*.*.*.*)*c$')?.matches('a'.repeat(5_000))).toBe(false);
  expect(performance.now() - before).toBeLessThan(5_000);
});
