// What only systeminformation can tell, asked of a short-lived process of this same program: loaded into the agent itself it would cost
// more than 3 MB for as long as the agent runs, which is months. Never needed on a Pi or a PC, whose firmware says what they are.
import { execFile } from "node:child_process";
import * as z from "zod/mini";

/** It runs a dozen programs, on a slow card. */
const DEADLINE_MS = 60_000;
const MAX_OUTPUT_BYTES = 65_536;

/** The word on the command line that makes this program print its inventory and end. */
export const INVENTORY_WORD = "inventory";

const inventorySchema = z.object({ model: z.nullable(z.string()) });

/** Started from the agent. null: unknown. */
export function modelByInventory(): Promise<string | null> {
  const [, program = ""] = process.argv;
  const settings = { timeout: DEADLINE_MS, maxBuffer: MAX_OUTPUT_BYTES };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, INVENTORY_WORD], settings, (_error, stdout) => resolve(readModel(stdout)));
  });
}

function readModel(text: string): string | null {
  try {
    return inventorySchema.parse(JSON.parse(text)).model;
  } catch {
    return null;
  }
}

/** Runs in the process of its own. */
export async function printInventory(out: (text: string) => void): Promise<void> {
  const { default: systemInformation } = await import("systeminformation");
  const { manufacturer, model } = await systemInformation.system();
  const words = [manufacturer, model].filter((word) => word !== "" && word !== "-");
  out(`${JSON.stringify({ model: words.length === 0 ? null : words.join(" ") })}\n`);
}
