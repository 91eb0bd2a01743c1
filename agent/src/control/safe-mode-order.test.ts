// `agent safe-mode off`: an order is left only where there is something to end, and is taken once.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { safeModeOff, takeSafeModeOrder } from "./safe-mode-order.ts";
import { startControl } from "./server.ts";

let folder: string;
let said: string;
const terminal = {
  out: (text: string) => {
    said += text;
  },
  error: (text: string) => {
    said += text;
  },
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skerry-safe-"));
  said = "";
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function say(conditions: readonly { readonly kind: string }[]): Promise<number> {
  const control = await startControl(folder, () => ({ state: "joined", conditions }));
  const code = await safeModeOff(folder, terminal);
  await control.stop();
  return code;
}

test("[N157] an order is left for an agent in safe mode, and is taken once", async () => {
  expect(await say([{ kind: "disk-pressure" }, { kind: "safe-mode" }])).toBe(0);
  expect(said).toContain("Safe mode ends within seconds");
  expect([takeSafeModeOrder(folder), takeSafeModeOrder(folder)]).toEqual([true, false]);
});

test("[N157] where there is no safe mode nothing is left that would end a later one", async () => {
  expect(await say([{ kind: "disk-pressure" }])).toBe(0);
  expect(said).toContain("not in safe mode");
  expect(takeSafeModeOrder(folder)).toBe(false);
});

test("[N157] an agent that does not run finds the order when it starts", async () => {
  expect(await safeModeOff(folder, terminal)).toBe(0);
  expect(said).toContain("as soon as the agent runs");
  expect(takeSafeModeOrder(folder)).toBe(true);
});

test("[N157] a folder that is not there is told by name", async () => {
  const missing = join(folder, "missing");
  expect(await safeModeOff(missing, terminal)).toBe(1);
  expect(said).toContain("name the agent's folder with --data");
  expect(existsSync(missing)).toBe(false);
});
