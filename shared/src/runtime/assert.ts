// Bugs stop the process: its supervisor restarts it, and containers run on.

export class BugError extends Error {
  override name = "BugError";
}

export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new BugError(`bug: ${what}`);
}

/** Ends every switch over a union: a new variant fails to compile here. */
export function assertNever(value: never, what = "unexpected variant"): never {
  throw new BugError(`bug: ${what}: ${JSON.stringify(value)}`);
}
