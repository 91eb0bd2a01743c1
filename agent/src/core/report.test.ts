// What is told to the hub, and what is not worth telling; and since when a status has been what it is.

import type { NodeFigures } from "@skerry/shared/model/node.ts";
import { plainStatus } from "@skerry/shared/model/plain.ts";
import type { WorkloadState, WorkloadStatus } from "@skerry/shared/model/report.ts";
import { describe, expect, test } from "vitest";
import { container, workload } from "../../../test/unit/agent/scenario.ts";
import { nextReport, type Told } from "./report.ts";
import { advance, statusesAt, type Timeline } from "./timeline.ts";

const web = workload("web");

function status(state: WorkloadState, options: Partial<WorkloadStatus> = {}): WorkloadStatus {
  const { id, revision, specHash } = web;
  return {
    id,
    revision,
    specHash,
    state,
    forMs: 0,
    containerId: "c1",
    imageId: "i1",
    restarts: 0,
    ...plainStatus,
    ...options,
  };
}

const running = status({ kind: "running", health: "healthy" });
const figures: NodeFigures = {
  memoryAvailableBytes: 1_000,
  diskFreeBytes: 1_000,
  load1: 0.5,
  temperatureC: 50,
  clockSynchronised: true,
};

function told(options: Partial<Told> = {}): Told {
  return {
    observed: { epoch: 1, generation: 1 },
    workloads: [running],
    facts: null,
    figures,
    ports: [],
    conditions: [],
    ...options,
  };
}

describe("report", () => {
  test("[N70] the first report of a connection is whole, later ones hold only what changed and what is gone", () => {
    expect(nextReport(null, told())?.report).toMatchObject({ whole: true, workloads: [running], ports: [], gone: [] });
    expect(nextReport(told(), told())).toBeNull();
    const ended = told({ workloads: [], conditions: [{ kind: "disk-full", message: "full" }] });
    expect(nextReport(told(), ended)?.report).toMatchObject({
      whole: false,
      workloads: [],
      gone: [running.id],
      facts: null,
      figures: null,
      ports: null,
      conditions: [{ kind: "disk-full" }],
    });
    expect(nextReport(told(), told({ observed: { epoch: 1, generation: 2 } }))?.report.workloads).toEqual([]);
  });

  test("[N71] ages, waits that tick and small steps of a pull are no change", () => {
    const waiting = (nextTryInMs: number): Told => {
      const state: WorkloadState = {
        kind: "backing-off",
        during: "run",
        reason: "x",
        exit: null,
        attempt: 2,
        nextTryInMs,
      };
      return told({ workloads: [status(state, { forMs: nextTryInMs })] });
    };
    expect(nextReport(waiting(5_000), waiting(100))).toBeNull();
    const pulling = (doneBytes: number): Told =>
      told({ workloads: [status({ kind: "pulling", doneBytes, totalBytes: 1_000, doneLayers: 0, totalLayers: 0 })] });
    expect(nextReport(pulling(110), pulling(190))).toBeNull();
    expect(nextReport(pulling(110), pulling(200))?.report.workloads).toHaveLength(1);
    const beside = (doneBytes: number, forMs: number): Told => {
      const pull = { doneBytes, totalBytes: 1_000, doneLayers: 0, totalLayers: 0, forMs };
      return told({ workloads: [status({ kind: "running", health: "none" }, { pull })] });
    };
    expect(nextReport(beside(110, 1), beside(190, 9_000))).toBeNull();
    expect(nextReport(beside(110, 1), beside(200, 1))?.report.workloads).toHaveLength(1);
  });

  test("[N71] a whole pull of many layers is told in at most 18 steps, and its first byte is one", () => {
    const at = (step: number): Told => {
      const [totalBytes, totalLayers] = step < 5 ? [0, 0] : [1_000, 100];
      const doneBytes = Math.min(totalBytes, Math.max(0, step - 10));
      const doneLayers = Math.min(totalLayers, Math.max(0, step - 1_000));
      return told({ workloads: [status({ kind: "pulling", doneBytes, totalBytes, doneLayers, totalLayers })] });
    };
    let [last, sent] = [at(0), 0];
    const bytes: number[] = [];
    for (let step = 1; step < 1_200; step += 1) {
      const next = nextReport(last, at(step));
      if (next === null) continue;
      last = next.told;
      sent += 1;
      const state = next.report.workloads[0]?.state;
      bytes.push(state?.kind === "pulling" ? state.doneBytes : -1);
    }
    expect(sent).toBeLessThanOrEqual(18);
    expect(bytes).toContain(1);
  });

  test("[N71] small wobbles in figures are not told, and many small ones in one direction are", () => {
    const at = (change: Partial<NodeFigures>): Told => told({ figures: { ...figures, ...change } });
    expect(nextReport(told(), at({ memoryAvailableBytes: 950, load1: 1.5, temperatureC: 55 }))).toBeNull();
    expect(nextReport(told(), at({ clockSynchronised: false }))?.report.figures).not.toBeNull();
    expect(nextReport(told(), at({ temperatureC: null }))?.report.figures).not.toBeNull();
    const first = nextReport(told(), at({ memoryAvailableBytes: 950, clockSynchronised: false }));
    expect(first?.told.figures?.memoryAvailableBytes).toBe(950);
    const smaller = nextReport(told(), { ...at({ diskFreeBytes: 950 }), workloads: [] });
    expect(smaller?.told.figures).toEqual(figures);
    expect(nextReport(smaller?.told ?? null, at({ diskFreeBytes: 890 }))?.report.figures?.diskFreeBytes).toBe(890);
  });
});

describe("timeline", () => {
  const start = (states: readonly WorkloadStatus[], at: number, before: Timeline = new Map()) =>
    advance(before, states, [container(web, { id: "c1", sinceMs: 3_000 })], at);

  test("[N72] a status counts its age from when it became what it is, a container seen for the first time from its own start", () => {
    const first = start([running], 10_000);
    expect(statusesAt(first.timeline, 11_000)).toMatchObject([{ forMs: 8_000 }]);
    const again = start([{ ...running, restarts: 1 }], 12_000, first.timeline);
    expect(statusesAt(again.timeline, 13_000)).toMatchObject([{ forMs: 10_000, restarts: 1 }]);
    const turned = start([status({ kind: "stopping" })], 14_000, again.timeline);
    expect(statusesAt(turned.timeline, 15_000)).toMatchObject([{ forMs: 1_000 }]);
  });

  test("[N72] a wait ticks down between two plans", () => {
    const state: WorkloadState = {
      kind: "backing-off",
      during: "run",
      reason: "",
      exit: null,
      attempt: 2,
      nextTryInMs: 900,
    };
    const { timeline } = start([status(state)], 0);
    expect(statusesAt(timeline, 400)).toMatchObject([{ state: { nextTryInMs: 500 } }]);
    expect(statusesAt(timeline, 4_000)).toMatchObject([{ state: { nextTryInMs: 0 } }]);
  });

  test("[N73] turning healthy is told once, and not at the first look", () => {
    const first = start([running], 0);
    expect(first.events).toEqual([]);
    const starting = start([status({ kind: "running", health: "starting" })], 1, first.timeline);
    const healthy = start([running], 2, starting.timeline);
    expect(healthy.events).toEqual([{ kind: "container-healthy", workload: web.id, containerId: "c1" }]);
    expect(start([running], 3, healthy.timeline)).toMatchObject({ events: [], changed: false });
  });
});
