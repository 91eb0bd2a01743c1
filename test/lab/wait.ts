// Waiting for a state of the world, with a deadline and a message that says what was missing.
// Tests never sleep and hope: they say what must become true, and by when.

/** How often a state is looked at: short beside what engines take, and cheap. */
const LOOK_EVERY_MS = 50;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Looks until `look` returns something truthy, and returns that. A throw counts as "not yet".
 * Fails after `withinMs` naming `what`, and what was seen or thrown last.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T> | T,
  withinMs: number,
  everyMs: number = LOOK_EVERY_MS,
): Promise<Exclude<T, false | null | undefined | 0 | "">> {
  const startedAt = performance.now();
  let last: unknown;
  for (;;) {
    try {
      const seen = await look();
      // The type says the same as the test: nothing falsy is returned.
      if (seen) return seen as Exclude<T, false | null | undefined | 0 | "">;
      last = `it was ${String(seen)}`;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    if (performance.now() - startedAt >= withinMs) {
      throw new Error(`not within ${(withinMs / 1000).toFixed(1)} s: ${what}; at the last look: ${String(last)}`);
    }
    await sleep(everyMs);
  }
}

/** The opposite: looks again and again for the whole time, and fails as soon as `look` is not truthy. For "it stays so". */
export async function stays(what: string, look: () => Promise<unknown> | unknown, forMs: number): Promise<void> {
  const startedAt = performance.now();
  while (performance.now() - startedAt < forMs) {
    if (!(await look())) {
      const after = ((performance.now() - startedAt) / 1000).toFixed(1);
      throw new Error(`it did not stay so: ${what}; it changed after ${after} s`);
    }
    await sleep(LOOK_EVERY_MS);
  }
}
