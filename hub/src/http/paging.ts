// Pages of a list that is in memory: a stable order by a key, and a cursor that is the last key seen. An item that comes or goes between
// two pages is seen or not; none is seen twice, and none that stayed is left out.

export interface Page<T> {
  readonly items: T[];
  readonly next: string | null;
}

/** `keys` sorted in code-unit order and unique; `make` is called only for what is on the page. */
export function pageOfKeys<K extends string, T>(
  keys: readonly K[],
  after: string | undefined,
  limit: number,
  make: (key: K) => T,
): Page<T> {
  const start = after === undefined ? 0 : firstAfter(keys, after);
  const chosen = keys.slice(start, start + limit);
  const more = start + limit < keys.length;
  return { items: chosen.map(make), next: more ? (chosen.at(-1) ?? null) : null };
}

/** Index of the first key that is larger, by halving. */
function firstAfter(keys: readonly string[], after: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    // In range: low ≤ middle < high ≤ length. The comparison with undefined would be false, which only stops the search.
    if ((keys[middle] ?? "") <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
