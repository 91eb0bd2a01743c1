// The trace of a run: one line per thing that happened, in true time. Its hash says whether two runs were the same run.
import { createHash } from "node:crypto";

export interface Trace {
  /** `what` is short and without newlines. */
  note(who: string, what: string): void;
  hash(): string;
  /** Empty unless lines are kept. */
  lines(): readonly string[];
}

/** Lines go to the hash in bundles: one call per line would cost more than the line. */
const BUNDLE = 500;

export function createTrace(nowMs: () => number, keep: boolean): Trace {
  const hash = createHash("sha256");
  const kept: string[] = [];
  let bundle: string[] = [];
  const flush = (): void => {
    hash.update(bundle.join("\n"));
    bundle = [];
  };
  return {
    note(who, what) {
      const line = `${nowMs().toFixed(3)} ${who} ${what}`;
      bundle.push(line);
      if (keep) kept.push(line);
      if (bundle.length >= BUNDLE) flush();
    },
    hash() {
      flush();
      return hash.copy().digest("hex");
    },
    lines: () => kept,
  };
}
