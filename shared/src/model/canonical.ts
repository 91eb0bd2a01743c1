// The one way to turn a spec into bytes for hashing. Pure. Keys are sorted and nulls dropped, so that a later version may
// add a field whose default is null without changing any hash (and so without restarting anything).

/** Canonical JSON: object keys in code-unit order, null and undefined members left out, arrays in their order. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value)
      .filter(([, member]) => member !== null && member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value ?? null);
}

/** Whether two values have the same canonical JSON, without making it: most comparisons end at the first members. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((member, index) => sameJson(member, b[index]));
  }
  if (!isObject(a) || !isObject(b) || Array.isArray(b)) return (a ?? null) === (b ?? null);
  for (const key in a) if (!sameJson(a[key], b[key])) return false;
  for (const key in b) if ((a[key] ?? null) === null && (b[key] ?? null) !== null) return false;
  return true;
}

// Objects here are plain data: their members may be read by any key.
const isObject = (value: unknown): value is Record<string, unknown> => value !== null && typeof value === "object";
