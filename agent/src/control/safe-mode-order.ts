// `skerry agent safe-mode off`: an order that an operator leaves in the agent's folder, so that it is also found by an agent that is
// started later. The agent takes it away as it follows it.
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ControlAnswer } from "./answer.ts";
import { controlSocket } from "./server.ts";

const orderFile = (dataDir: string): string => join(dataDir, "safe-mode-off");

/** The exit code. An agent that is not in safe mode is not given an order that would lie there for a later one. */
export async function safeModeOff(
  dataDir: string,
  terminal: { out(text: string): void; error(text: string): void },
): Promise<number> {
  const state = await stateIn(dataDir);
  if (state === "off") {
    terminal.out("This machine is not in safe mode: there is nothing to end.\n");
    return 0;
  }
  try {
    writeFileSync(orderFile(dataDir), "");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    terminal.error(
      `skerry agent safe-mode: cannot write to ${dataDir} (${why}); name the agent's folder with --data\n`,
    );
    return 1;
  }
  const when = state === "on" ? "within seconds" : "as soon as the agent runs, which does not answer now";
  terminal.out(`Safe mode ends ${when}. If this machine goes on restarting, it comes back.\n`);
  return 0;
}

/** As the agent beside us says; unknown: it does not run, or does not answer. */
async function stateIn(dataDir: string): Promise<"on" | "off" | "unknown"> {
  // Loaded here: an agent that runs never asks itself.
  const { ask } = await import("./status-command.ts");
  try {
    const status = JSON.parse(await ask(controlSocket(dataDir))) as ControlAnswer;
    if (status.state !== "joined") return "off";
    return status.conditions.some(({ kind }) => kind === "safe-mode") ? "on" : "off";
  } catch {
    return "unknown";
  }
}

/** Whether there was an order; it is gone now. One that cannot be taken away (a disk that may only be read) is followed all the same. */
export function takeSafeModeOrder(dataDir: string): boolean {
  const path = orderFile(dataDir);
  if (!existsSync(path)) return false;
  try {
    rmSync(path, { force: true });
  } catch {
    // It is followed again at the next start, which says the same.
  }
  return true;
}
