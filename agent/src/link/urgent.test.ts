// What a hub is told at once, and what waits for its turn.
import type { SpecHash, WorkloadId } from "@skerry/shared/model/ids.ts";
import { plainStatus } from "@skerry/shared/model/plain.ts";
import type { Gate, WorkloadStatus } from "@skerry/shared/model/report.ts";
import { expect, test } from "vitest";
import { nextReport, type Told } from "../core/report.ts";
import { isUrgent } from "./urgent.ts";

const hash = (letter: string) => letter.repeat(64) as SpecHash;
const open = (waits: Extract<Gate, { kind: "open" }>["waits"]): Gate => ({ kind: "open", waits, reason: waits });
const told = (over: Partial<WorkloadStatus>): Told => ({
  observed: { epoch: 1, generation: 1 },
  workloads: [
    {
      ...{ id: "shop/web/1" as WorkloadId, revision: 1, specHash: hash("a"), forMs: 0, restarts: 0 },
      ...{ state: { kind: "running", health: "none" }, containerId: "c", imageId: "i", ...plainStatus },
      ...over,
    },
  ],
  facts: null,
  figures: null,
  ports: [],
  conditions: [],
});
const judged = { gateFor: { specHash: hash("b"), attempt: 0 } };

test.each<[string, Partial<WorkloadStatus>, Partial<WorkloadStatus>, boolean]>([
  ["a change begins to wait", {}, { ...judged, gate: open("window") }, true],
  ["for something else", { ...judged, gate: open("window") }, { ...judged, gate: open("image") }, true],
  ["it passed", { ...judged, gate: open("health") }, { ...judged, gate: { kind: "passed" } }, true],
  [
    "another attempt",
    { ...judged, gate: open("image") },
    { gateFor: { specHash: hash("b"), attempt: 1 }, gate: open("image") },
    true,
  ],
  ["somebody holds it", {}, { hold: { owner: "till", reason: "pays", leftMs: 9 } }, true],
  ["its image does not come", {}, { pullFailure: "not-found" }, true],
  ["it is not ready any more", { ready: true }, { ready: false }, true],
  [
    "other words for the same",
    { ...judged, gate: open("window") },
    { ...judged, gate: { ...open("window"), reason: "opens at 02:00" } as Gate },
    false,
  ],
  [
    "a pull that gets on",
    {},
    { pull: { doneBytes: 5, totalBytes: 10, doneLayers: 0, totalLayers: 1, forMs: 1 } },
    false,
  ],
])("[K44] %s", (_title, before, now, urgent) => {
  const next = nextReport(told(before), told(now));
  if (next === null) throw new Error("it is no news at all");
  expect(isUrgent(told(before), next.report)).toBe(urgent);
});
