/** Position behind the string that begins with the quote at `at`. */
function stringEnd(text: string, at: number): number {
  for (let next = at + 1; next < text.length; next++) {
    const char = text.charCodeAt(next);
    if (char === 0x5c) next++;
    else if (char === 0x22) return next + 1;
  }
  return text.length;
}

/**
 * The first key that an object anywhere in valid JSON holds twice; undefined if there is none. `JSON.parse` keeps the
 * last one silently, so a header could say one thing to one reader and another to the next.
 */
export function repeatedKey(text: string): string | undefined {
  // One set of keys per open object; undefined for an open array.
  const open: (Set<string> | undefined)[] = [];
  let expectsKey = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      const end = stringEnd(text, at);
      const keys = open.at(-1);
      if (expectsKey && keys !== undefined) {
        const key = JSON.parse(text.slice(at, end)) as string;
        if (keys.has(key)) return key;
        keys.add(key);
        expectsKey = false;
      }
      at = end - 1;
    } else if (char === '{') {
      open.push(new Set());
      expectsKey = true;
    } else if (char === '[') {
      open.push(undefined);
      expectsKey = false;
    } else if (char === '}' || char === ']') {
      open.pop();
      expectsKey = false;
    } else if (char === ',') expectsKey = open.at(-1) !== undefined;
  }
  return undefined;
}
