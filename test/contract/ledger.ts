// What every ledger must do, as a suite over a way to make one. Run against SQLite and against the simulator's disk.

import { type Ledger, type LedgerChange, LedgerError, MAX_OUTBOX_EVENTS } from "@skerry/agent/ledger/ledger.ts";
import type { OpenedLedger } from "@skerry/agent/ledger/opened.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { anAssignment, anIdentity, aWorkloadMemory, WEB } from "./ledger-samples.ts";

/** One disk with at most one open ledger. */
export interface LedgerUnderTest {
  open(): OpenedLedger;
  /** Ends the process without closing: what was not durable is gone. */
  powerCut(): void;
  /** Makes the ledger proper unreadable. */
  damage(): void;
  /** From now on commits find no space; `space(true)` ends it. */
  space(there: boolean): void;
  cleanUp(): void;
}

const event = (lost: number): LedgerChange => ({
  kind: "event",
  atMs: lost,
  wallMs: 1_000 + lost,
  event: { kind: "link-lost", reason: `number ${lost}` } satisfies NodeEvent,
});

export function ledgerContract(name: string, make: () => LedgerUnderTest): void {
  describe(`ledger: ${name}`, () => {
    let disk: LedgerUnderTest;
    let ledger: Ledger;
    beforeEach(() => {
      disk = make();
      ledger = disk.open().ledger;
      ledger.commit([{ kind: "boot", bootId: "boot-1" }]);
      const record = { bootId: "boot-1", seenAtMs: 12.5, quickBefore: 2, steady: false };
      ledger.commit([{ kind: "boots", record }]);
    });
    afterEach(() => disk.cleanUp());

    const afterPowerCut = (): OpenedLedger => {
      disk.powerCut();
      return disk.open();
    };

    test("[G1] a new ledger is empty, and that is no loss", () => {
      disk.cleanUp();
      disk = make();
      const opened = disk.open();
      expect(opened.rebuilt).toBeNull();
      expect(opened.ledger.content()).toMatchObject({ identity: null, assignment: null, outbox: [], nextSeq: 1 });
    });

    test("[G2] what a returned commit wrote is there after a power cut", () => {
      ledger.commit([
        { kind: "identity", identity: anIdentity },
        { kind: "assignment", assignment: anAssignment(7), seal: null },
        { kind: "memory", id: WEB, memory: aWorkloadMemory },
        { kind: "container", containerId: "c1", id: WEB },
        { kind: "hub-contact", wallMs: 5 },
        event(1),
      ]);
      const before = ledger.content();
      const { ledger: again, rebuilt } = afterPowerCut();
      expect(rebuilt).toBeNull();
      expect(again.content()).toEqual(before);
      expect(again.content()).toMatchObject({
        identity: anIdentity,
        assignment: anAssignment(7),
        bootId: "boot-1",
        boots: { bootId: "boot-1", seenAtMs: 12.5, quickBefore: 2, steady: false },
        lastHubContactWallMs: 5,
      });
      expect(again.content().memory.get(WEB)).toEqual(aWorkloadMemory);
      expect(again.content().containers.get("c1")).toBe(WEB);
    });

    test("[G3] a null forgets a memory or a container, for good", () => {
      ledger.commit([
        { kind: "memory", id: WEB, memory: aWorkloadMemory },
        { kind: "container", containerId: "c1", id: WEB },
      ]);
      ledger.commit([
        { kind: "memory", id: WEB, memory: null },
        { kind: "container", containerId: "c1", id: null },
      ]);
      const { ledger: again } = afterPowerCut();
      expect(again.content().memory.size).toBe(0);
      expect(again.content().containers.size).toBe(0);
    });

    test("[G4] a content that was read stays as it was when later commits come", () => {
      ledger.commit([event(1)]);
      const held = ledger.content();
      ledger.commit([event(2), { kind: "memory", id: WEB, memory: aWorkloadMemory }]);
      expect(held.outbox).toHaveLength(1);
      expect(held.memory.size).toBe(0);
    });

    test("[G5] events get rising numbers that are never given twice, also when all were acknowledged before a restart", () => {
      ledger.commit([event(1), event(2)]);
      ledger.commit([{ kind: "events-acked", seq: 2 }]);
      const { ledger: again } = afterPowerCut();
      again.commit([event(3)]);
      expect(again.content().outbox.map(({ seq, bootId }) => [seq, bootId])).toEqual([[3, "boot-1"]]);
    });

    test("[G6] an acknowledgement lets go of that event and all before it, and of nothing else", () => {
      ledger.commit([event(1), event(2), event(3)]);
      ledger.commit([{ kind: "events-acked", seq: 2 }]);
      ledger.commit([{ kind: "events-acked", seq: 1 }]);
      expect(
        afterPowerCut()
          .ledger.content()
          .outbox.map(({ seq }) => seq),
      ).toEqual([3]);
    });

    test("[G7] numbering goes on after what the hub holds when that is more than this ledger knows of", () => {
      ledger.commit([{ kind: "events-acked", seq: 40 }]);
      ledger.commit([event(1)]);
      expect(
        afterPowerCut()
          .ledger.content()
          .outbox.map(({ seq }) => seq),
      ).toEqual([41]);
    });

    test("[G8] a full outbox lets the oldest go and says how many in one mark, which counts those of an earlier mark", () => {
      const many = 2 * MAX_OUTBOX_EVENTS;
      for (let from = 0; from < many; from += 500) {
        ledger.commit(Array.from({ length: 500 }, (_, offset) => event(from + offset)));
      }
      const { outbox, nextSeq } = afterPowerCut().ledger.content();
      expect(outbox.length).toBeLessThanOrEqual(MAX_OUTBOX_EVENTS);
      const [mark, ...kept] = outbox;
      const lost = mark?.event.kind === "gap" ? mark.event.lost : 0;
      expect(lost + kept.length).toBe(many);
      expect(kept.every(({ event: { kind } }) => kind === "link-lost")).toBe(true);
      expect(outbox.map(({ seq }) => seq)).toEqual(
        Array.from({ length: outbox.length }, (_, at) => nextSeq - outbox.length + at),
      );
    });

    test("[G9] a damaged ledger starts empty and says so, and the node keeps its identity and its event numbers", () => {
      ledger.commit([{ kind: "identity", identity: anIdentity }, event(1), event(2)]);
      ledger.commit([{ kind: "assignment", assignment: anAssignment(7), seal: null }]);
      disk.powerCut();
      disk.damage();
      const { ledger: again, rebuilt } = disk.open();
      expect(rebuilt).not.toBeNull();
      expect(again.content()).toMatchObject({ identity: anIdentity, assignment: null, outbox: [] });
      again.commit([event(3)]);
      expect(again.content().outbox[0]?.seq).toBeGreaterThan(2);
    });

    test("[G9] that it was damaged is said until an event that tells of it is durable, whatever crashes in between", () => {
      ledger.commit([{ kind: "identity", identity: anIdentity }, event(1)]);
      const before = ledger.content().nextSeq;
      disk.powerCut();
      disk.damage();
      const reason = disk.open().rebuilt;
      const again = afterPowerCut();
      expect(again.rebuilt).toBe(reason);
      expect(again.ledger.content().nextSeq).toBeGreaterThanOrEqual(before);
      const told: NodeEvent = { kind: "ledger-rebuilt", reason: "it was damaged", adopted: 0 };
      again.ledger.commit([{ kind: "event", atMs: 1, wallMs: 1, event: told }]);
      expect(afterPowerCut().rebuilt).toBeNull();
    });

    test("[G10] a commit that finds no space throws `full`, leaves nothing of itself behind, and works again once there is space", () => {
      ledger.commit([event(1)]);
      const before = ledger.content();
      disk.space(false);
      const large = Array.from({ length: 300 }, (_, at) => event(at));
      expect(() => ledger.commit(large)).toThrow(expect.objectContaining({ name: "LedgerError", kind: "full" }));
      expect(ledger.content()).toEqual(before);
      disk.space(true);
      ledger.commit([event(2)]);
      expect(afterPowerCut().ledger.content().outbox).toHaveLength(2);
    });

    test("[G11] an empty list of changes writes nothing, also where nothing can be written", () => {
      disk.space(false);
      expect(() => ledger.commit([])).not.toThrow();
      ledger.close();
      expect(() => ledger.commit([event(1)])).toThrow(LedgerError);
    });
  });
}
