// Safe mode: counted by boots and the time within one, never by a clock.
import { PLAIN_CHANGE_OVER } from "@skerry/shared/model/plain.ts";
import { describe, expect, test } from "vitest";
import {
  assignment,
  container,
  exited,
  kinds,
  observed,
  passedMemory,
  round,
  statusOf,
  workload,
} from "../../../test/unit/agent/scenario.ts";
import { type BootRecord, bootSeen, isSafeMode, QUICK_BOOT_MS, SAFE_MODE_MS, steadyAtMs } from "./safe-mode.ts";

/** Boots one after another; `lasted`: whether each before the last ran on until it was steady. */
function boots(...lasted: readonly boolean[]): BootRecord {
  const first = bootSeen(null, "boot-0", 0);
  let at = first;
  for (const [index, steady] of lasted.entries()) at = bootSeen({ ...at, steady }, `boot-${index + 1}`, 0);
  return at;
}

describe("safe mode", () => {
  test("[N156] comes with the fifth boot after four quick ones in a row", () => {
    expect(isSafeMode(boots())).toBe(false);
    expect(isSafeMode(boots(false, false, false))).toBe(false);
    expect(isSafeMode(boots(false, false, false, false))).toBe(true);
    expect(isSafeMode(boots(false, false, true, false))).toBe(false);
  });

  test("[N156] the agent's own restarts in one boot count for nothing, whatever the clock says", () => {
    const once = boots(false, false, false);
    expect(bootSeen(once, once.bootId, 1e12)).toBe(once);
  });

  test("[N157] goes after ten minutes without a restart; a restart before that leaves it on", () => {
    const safe = boots(false, false, false, false);
    expect(steadyAtMs(safe)).toBe(SAFE_MODE_MS);
    expect(isSafeMode(bootSeen(safe, "again", 0))).toBe(true);
    expect(isSafeMode({ ...safe, steady: true })).toBe(false);
    expect(isSafeMode(bootSeen({ ...safe, steady: true }, "again", 0))).toBe(false);
  });

  test("[N156] a boot is quick below two minutes of the agent's time in it", () => {
    expect(steadyAtMs({ ...boots(), seenAtMs: 7 })).toBe(7 + QUICK_BOOT_MS);
    expect(steadyAtMs({ ...boots(), steady: true })).toBeNull();
  });

  test("[N158] in it nothing is pulled, replaced or made for the first time, and what ran is healed", () => {
    const v1 = workload("web", { revision: 1, spec: { image: "web:1" } });
    const previous = { revision: v1.revision, specHash: v1.specHash, spec: v1.spec, probes: null };
    const v2 = {
      ...workload("web", { revision: 2, hash: "b2", spec: { image: "web:2" } }),
      changeOver: { ...PLAIN_CHANGE_OVER, monitorMs: 5_000, deadlineMs: 60_000, previous },
    };
    const fresh = workload("new", { spec: { image: "web:1" } });
    const own = container(v1, { id: "c1" });
    const machine = { memory: passedMemory(v1), now: 1_000_000, count: 0 };
    for (const there of [null, "sha256:web:2"]) {
      const images = new Map([
        ["web:1", "sha256:web:1"],
        ["web:2", there],
      ]);
      const node = { ...machine, desired: assignment([v2, fresh]), observed: observed([v1], [own], { images }) };
      const found = round(node, { safeMode: true }).plan;
      expect(found.lanes).toEqual([]);
      expect(statusOf(found, v2)).toMatchObject({ state: { kind: "running" }, gate: { waits: "safe-mode" } });
      expect(round(node, { safeMode: false }).plan.lanes).not.toEqual([]);
    }
    const killed = { ...machine, desired: assignment([v1]), observed: observed([v1], [exited(own, machine, 137)]) };
    expect(kinds(round(killed, { safeMode: true }).plan, v1.id)).toBe("start");
  });
});
