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
