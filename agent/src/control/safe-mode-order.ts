// `skerry agent safe-mode off`: an order that an operator leaves in the agent's folder, so that it is also found by an agent that is
// started later. The agent takes it away as it follows it.
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const orderFile = (dataDir: string): string => join(dataDir, "safe-mode-off");

/** The exit code. */
export function safeModeOff(dataDir: string, terminal: { out(text: string): void; error(text: string): void }): number {
  try {
    writeFileSync(orderFile(dataDir), "");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    terminal.error(
      `skerry agent safe-mode: cannot write to ${dataDir} (${why}); name the agent's folder with --data\n`,
    );
    return 1;
  }
  terminal.out("Safe mode ends within seconds. If this machine goes on restarting, it comes back.\n");
  return 0;
}

/** Whether there was an order; it is gone now. */
export function takeSafeModeOrder(dataDir: string): boolean {
  const path = orderFile(dataDir);
  if (!existsSync(path)) return false;
  rmSync(path, { force: true });
  return true;
}
