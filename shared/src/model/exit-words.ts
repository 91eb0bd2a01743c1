// What a container's exit means, in words. Apart from the schema of an exit, so that core/ can use it without loading zod.
import type { Exit } from "./report.ts";

const MEBIBYTE = 1_048_576;

/**
 * Who ended it, as far as the node saw. person: through the engine, and not the agent. engine: it was stopped or restarted. machine:
 * neither, though the node watched without a break.
 */
export type Ender = "person" | "engine" | "machine";

/** "137" means nothing to most people. `memoryLimitBytes`: of the container that ended, where it is known. null: nobody saw who. */
export function exitInWords(exit: Exit, memoryLimitBytes: number | null = null, by: Ender | null = null): string {
  const code = `(exit ${exit.code})`;
  if (exit.oom) {
    const limit = memoryLimitBytes === null ? "" : ` of ${Math.round((memoryLimitBytes / MEBIBYTE) * 10) / 10} MB`;
    return `killed by the kernel at its memory limit${limit} ${code}`;
  }
  if (by === "engine") return `ended by its engine, which was stopped or restarted ${code}`;
  if (by === "person") {
    const how = exit.code === KILLED ? "killed" : "stopped";
    return `${how} by a person or a program, through the engine ${code}`;
  }
  if (by === "machine" && exit.code === KILLED) {
    return `killed by somebody on the machine, or by the kernel for want of memory; not through the engine ${code}`;
  }
  return byCode(exit.code);
}

/** SIGKILL, as shells and engines count signals. */
const KILLED = 137;

function byCode(code: number): string {
  switch (code) {
    case 0:
      return "ended by itself without an error (exit 0)";
    case 125:
      return "the engine could not run it (exit 125)";
    case 126:
      return "its command is not executable (exit 126)";
    case 127:
      return "its command was not found (exit 127)";
    case 132:
      return "crashed: its program does not fit this processor (signal ILL, exit 132)";
    case 134:
      return "crashed: it gave itself up (signal ABRT, exit 134)";
    case 139:
      return "crashed: it touched memory that is not its own (signal SEGV, exit 139)";
    case 143:
      return "ended when told to stop (signal TERM, exit 143)";
    default:
      if (code > 128 && code < 160) return `ended by signal ${signalName(code - 128)} (exit ${code})`;
      return `ended with an error (exit ${code})`;
  }
}

function signalName(number: number): string {
  const names: Readonly<Record<number, string>> = {
    1: "HUP",
    2: "INT",
    3: "QUIT",
    7: "BUS",
    8: "FPE",
    9: "KILL",
    13: "PIPE",
    14: "ALRM",
  };
  return names[number] ?? String(number);
}
