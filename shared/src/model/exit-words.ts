// What a container's exit means, in words. Apart from the schema of an exit, so that core/ can use it without loading zod.
import type { Exit } from "./report.ts";

const MEBIBYTE = 1_048_576;

/** "137" means nothing to most people. `memoryLimitBytes`: of the container that ended, where it is known. */
export function exitInWords(exit: Exit, memoryLimitBytes: number | null = null): string {
  if (exit.oom) {
    const limit = memoryLimitBytes === null ? "" : ` of ${Math.round((memoryLimitBytes / MEBIBYTE) * 10) / 10} MB`;
    return `killed by the kernel at its memory limit${limit} (exit ${exit.code})`;
  }
  if (exit.code === 0) return "ended by itself without an error (exit 0)";
  if (exit.code === 125) return "the engine could not run it (exit 125)";
  if (exit.code === 126) return "its command is not executable (exit 126)";
  if (exit.code === 127) return "its command was not found (exit 127)";
  if (exit.code > 128 && exit.code < 160) return `ended by signal ${signalName(exit.code - 128)} (exit ${exit.code})`;
  return `ended with an error (exit ${exit.code})`;
}

function signalName(number: number): string {
  const names: Readonly<Record<number, string>> = {
    1: "HUP",
    2: "INT",
    3: "QUIT",
    6: "ABRT",
    7: "BUS",
    8: "FPE",
    9: "KILL",
    11: "SEGV",
    13: "PIPE",
    14: "ALRM",
    15: "TERM",
  };
  return names[number] ?? String(number);
}
