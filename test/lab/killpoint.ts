// Ends a program of the test with SIGKILL at the n-th system call of one kind from now on, before that call is carried out: so that
// a sweep over n meets every moment between two steps. By strace; where that may not attach, it says so instead of killing nothing.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Lab } from "./lab.ts";
import type { Process } from "./process.ts";

const ATTACHED_WITHIN_MS = 10_000;

/**
 * The calls by which a program changes anything outside of itself. What it hears is no kind of its own: until it stores or says something
 * because of that, being killed before or after hearing it is the same to everybody else.
 */
export const KILL_POINTS: readonly string[] = ["fsync", "fdatasync", "write", "writev", "sendto", "sendmsg"];
/** Of each call's text, enough to tell which frame it sends. */
const SHOWN_BYTES = 120;

export interface Trap {
  /** The calls of this kind that were seen so far; the last one may be the deadly one. */
  calls(): Promise<readonly string[]>;
  /** Lets go of the program, if it still lives. */
  release(): Promise<void>;
}

/** strace counts each name apart, so a sweep goes over each of `KILL_POINTS`. `when` null: it is watched and lives. */
export async function killAtCall(lab: Lab, victim: Process, call: string, when: number | null): Promise<Trap> {
  const log = join(lab.folder, `killpoint-${victim.pid}-${when ?? "none"}.log`);
  // Of the main thread alone: that is where a Node program stores, says and hears.
  const tracer = lab.spawn({
    name: `strace of ${victim.name}`,
    command: [
      ...["strace", "-o", log, "-s", String(SHOWN_BYTES), "-p", String(victim.pid), "-e", `trace=${call}`],
      ...(when === null ? [] : ["-e", `inject=${call}:signal=SIGKILL:when=${when}`]),
    ],
  });
  await tracer.line("attached", ATTACHED_WITHIN_MS).catch((error: Error) => {
    throw new Error(`strace cannot attach to ${victim.name}, and without it no kill is exact: ${error.message}`);
  });
  return {
    calls: async () => (await readFile(log, "utf8")).split("\n").filter((line) => /^[a-z0-9]+\(/.test(line)),
    release: async () => {
      await tracer.stop();
    },
  };
}
