// The ledger as the loop uses it, when the disk takes nothing.
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { describe, expect, test } from "vitest";
import { hashOf, workload } from "../../../test/unit/agent/scenario.ts";
import { handClock } from "../../../test/unit/hub/hand-clock.ts";
import { freshMemory } from "../core/remember.ts";
import { MemoryDisk, openMemoryLedger } from "../ledger/memory.ts";
import { Journal } from "./journal.ts";

const { id } = workload("web");

function fullDisk(): { disk: MemoryDisk; journal: Journal } {
  const disk = new MemoryDisk();
  const { ledger } = openMemoryLedger(disk);
  disk.onCommit = () => "full";
  return { disk, journal: new Journal(ledger, handClock(), silentLog) };
}

describe("journal", () => {
  test("[N60] what could not be written counts all the same, and is written in order once there is room", () => {
    const { disk, journal } = fullDisk();
    const memory = { ...freshMemory(hashOf("a1")), failures: 2 };
    journal.write([{ kind: "memory", id, memory: freshMemory(hashOf("a1")) }]);
    journal.write([
      { kind: "memory", id, memory },
      { kind: "container", containerId: "c1", id },
    ]);
    journal.write([journal.event({ kind: "engine-lost", reason: "x" })]);
    expect(journal.memory().get(id)).toEqual(memory);
    expect([...journal.containers()]).toEqual([["c1", id]]);
    expect(journal.trouble()?.kind).toBe("full");
    disk.onCommit = () => "written";
    journal.write([]);
    expect(journal.trouble()).toBeNull();
    expect(disk.content().memory.get(id)).toEqual(memory);
    expect([...disk.content().containers.keys()]).toEqual(["c1"]);
    expect(disk.content().outbox.map(({ event }) => event.kind)).toEqual(["engine-lost"]);
  });

  test("[N60] of events that wait for room the newest 500 are kept, and a gap mark says how many went", () => {
    const { disk, journal } = fullDisk();
    for (let n = 0; n < 620; n += 1) journal.write([journal.event({ kind: "engine-lost", reason: String(n) })]);
    disk.onCommit = () => "written";
    journal.write([]);
    const events = disk.content().outbox.map(({ event }) => event);
    expect(events).toHaveLength(501);
    expect(events[0]).toEqual({ kind: "gap", lost: 120 });
    expect(events[1]).toEqual({ kind: "engine-lost", reason: "120" });
  });
});
