// `skerry agent …`, when it did not come through the launcher: the agent is a bundle of its own, run in a process of its own.
// It must hand over every word unread, signals, and the exit code.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CliFailure, EXIT, type ExitCode } from "../failure.ts";

/** Beside the bundle, or in a checkout. */
const PLACES = ["agent.cjs", "../agent.cjs", "../../../../agent/src/main.ts"];

export async function run(words: readonly string[]): Promise<ExitCode> {
  const program = PLACES.map((place) => join(import.meta.dirname, place)).find((place) => existsSync(place));
  if (program === undefined) {
    throw new CliFailure("The agent is not installed beside this program.", { hint: "Install Skerry again." });
  }
  // A token among the words must not stay in what `ps` shows; the agent does the same with its own.
  if (words.some((word) => /^--token(=|$)/.test(word))) process.title = "skerry agent";
  const child = spawn(process.execPath, [program, ...words], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("exit", resolve);
    child.on("error", reject);
  });
  // The agent's exit codes are the ones of this program.
  return (code ?? EXIT.failed) as ExitCode;
}
