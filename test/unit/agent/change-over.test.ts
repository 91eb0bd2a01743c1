// The change-over through the whole loop, on the simulated engine: killed at any point of it, power cut in it, ledger lost in it, hub
// unreachable in it. What decides is tested in core; here it is carried out.
import { initialLinkState } from "@skerry/agent/core/link-state.ts";
import type { ChangeTimes } from "@skerry/agent/times/times.ts";
import type { Assignment, Workload } from "@skerry/shared/model/assignment.ts";
import { NO_UPDATE_TIMES, PLAIN_CHANGE_OVER } from "@skerry/shared/model/plain.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import { describe, expect, test } from "vitest";
import { assignment, workload } from "./scenario.ts";
import { createSite, type Site } from "./site.ts";

const v1 = workload("web", { revision: 1, hash: "a1", spec: { image: "sim/steady:1" } });
const { revision, specHash, spec, probes } = v1;

function change(image: string, over: Partial<Workload["changeOver"]> = {}): Assignment {
  const made = workload("web", { revision: 2, hash: "b2", spec: { image } });
  const changeOver = {
    ...PLAIN_CHANGE_OVER,
    ...{ monitorMs: 3_000, onFailure: "revert" as const, previous: { revision, specHash, spec, probes } },
    ...over,
  };
  return assignment([{ ...made, changeOver }], { position: { epoch: 1, generation: 2 } });
}

const GOOD = change("sim/steady:2");
const DOOMED = change("sim/doomed:2");

/** v1 runs and has passed. */
async function running(): Promise<Site> {
  const site = createSite();
  site.startAgent();
  site.link = { ...initialLinkState("", null, 0), connected: true };
  site.assign(assignment([v1]));
  await site.run(10_000);
  return site;
}

function statusOf(site: Site): WorkloadStatus {
  const status = site
    .reconciler()
    .statuses()
    .find(({ id }) => id === v1.id);
  if (status === undefined) throw new Error("no status of web");
  return status;
}

const standing = (site: Site): string[] =>
  [...site.machine.containers.values()]
    .map(({ name, status, request }) => `${name} ${request.spec.image} ${status}`)
    .sort();

const ONLY_NEW = ["shop-web-1 sim/steady:2 running"];
const ONLY_OLD = ["shop-web-1 sim/steady:1 running"];
const SIDE_BY_SIDE = change("sim/steady:2", { order: "start-first" });

/** Images of those that clients of `web` reach. */
const found = (site: Site): string[] =>
  [...site.machine.containers.values()]
    .filter(({ status, aliases }) => status === "running" && aliases.get("shop_default")?.includes("web"))
    .map(({ request }) => request.spec.image);
const eventKinds = (site: Site): string[] => site.events().map(({ kind }) => kind);

describe("a change-over in the loop", () => {
  test("[N130] the new one passes, the old one goes, and then there is rest", async () => {
    const site = await running();
    site.assign(GOOD);
    await site.run(10_000);
    expect(standing(site)).toEqual(ONLY_NEW);
    expect(statusOf(site)).toMatchObject({ revision: 2, gate: { kind: "passed" } });
    expect(eventKinds(site).filter((kind) => /gate|revert|drift|exited/.test(kind))).toEqual(["gate-passed"]);
    site.mutations.length = 0;
    await site.run(600_000);
    expect(site.mutations).toEqual([]);
  });

  test("[N130] a bad one goes back to the very container that ran, without the hub, and stays there through a boot", async () => {
    const site = await running();
    const { id } = site.container("shop-web-1");
    site.assign(DOOMED);
    site.link = { ...site.link, connected: false };
    await site.run(20_000);
    expect(standing(site)).toEqual(ONLY_OLD);
    expect(site.container("shop-web-1").id).toBe(id);
    expect(statusOf(site)).toMatchObject({ revision: 1, gate: { kind: "failed", reverted: true } });
    expect(eventKinds(site).filter((kind) => /gate|revert|drift/.test(kind))).toEqual(["gate-failed", "reverted"]);
    site.powerCut();
    site.startAgent();
    await site.run(60_000);
    expect(standing(site)).toEqual(ONLY_OLD);
    expect(site.mutations.filter(({ call }) => call.startsWith("create shop-web"))).toHaveLength(2);
  });

  test.each([
    ["passes, stop-first", GOOD, ONLY_NEW],
    ["fails, stop-first", DOOMED, ONLY_OLD],
    ["passes, start-first", SIDE_BY_SIDE, ONLY_NEW],
    ["fails, start-first", change("sim/doomed:2", { order: "start-first" }), ONLY_OLD],
  ])(
    "[N131] killed at any point of a change-over that %s, the next agent ends in the right state",
    async (_what, wanted, end) => {
      for (let atMs = 0; atMs < 6_000; atMs += 120) {
        const site = await running();
        site.assign(wanted);
        await site.run(atMs);
        await site.restartAgent();
        await site.run(30_000);
        expect([atMs, standing(site)]).toEqual([atMs, end]);
        expect([atMs, found(site)]).toHaveProperty("1.length", 1);
      }
    },
  );

  test("[N134] [N135] start-first one is found by its name at every moment, and the old one is stopped when nobody finds it", async () => {
    const site = await running();
    site.assign(SIDE_BY_SIDE);
    const seen: string[] = [];
    for (let turn = 0; turn < 1_500; turn += 1) {
      await site.run(10);
      const now = found(site).sort().join();
      if (now !== seen.at(-1)) seen.push(now);
    }
    const [old, next] = ["sim/steady:1", "sim/steady:2"];
    expect(seen).toEqual([old, `${old},${next}`, next]);
    expect(standing(site)).toEqual(ONLY_NEW);
    const calls = site.mutations.map(({ call }) => call.split(" ")[0]).slice(-9);
    expect(calls.join(" ")).toMatch(/disconnect connect disconnect connect stop remove rename$/);
    const [left, stopped] = ["connect", "stop"].map((call) =>
      site.mutations.findLast((one) => one.call.startsWith(call)),
    );
    expect((stopped?.askedAtMs ?? 0) - (left?.atMs ?? 0)).toBeGreaterThanOrEqual(2_000);
    expect(eventKinds(site).filter((kind) => kind === "drift")).toEqual([]);
  });

  test.each([false, true])(
    "[N131] killed at any point of handing the names over, the ledger lost too: %s, one is always found and the new one in the end",
    async (lost) => {
      for (let atMs = 3_000; atMs < 8_000; atMs += lost ? 250 : 125) {
        const site = await running();
        site.assign(SIDE_BY_SIDE);
        await site.run(atMs);
        site.killAgent();
        if (lost) site.disk.damage();
        site.startAgent();
        let fewest = 9;
        for (let turn = 0; turn < 750; turn += 1) {
          if (lost && turn === 50) site.assign(SIDE_BY_SIDE);
          await site.run(40);
          fewest = Math.min(fewest, found(site).length);
        }
        expect([atMs, fewest, found(site), standing(site)]).toEqual([atMs, 1, ["sim/steady:2"], ONLY_NEW]);
      }
    },
  );

  test.each([
    ["passes", GOOD, ONLY_NEW],
    ["fails", DOOMED, ONLY_OLD],
  ])(
    "[N131] with the ledger lost at any point of a change-over that %s, labels and names bring it to the right state",
    async (_what, wanted, end) => {
      for (let atMs = 0; atMs < 5_000; atMs += 250) {
        const site = await running();
        site.assign(wanted);
        await site.run(atMs);
        site.killAgent();
        site.disk.damage();
        site.startAgent();
        await site.run(2_000);
        site.assign(wanted);
        await site.run(30_000);
        expect([atMs, standing(site)]).toEqual([atMs, end]);
        expect(site.reconciler().conditions()).toEqual([]);
      }
    },
  );

  test("[N131] a power cut at any point of a change-over is no failure of the new one", async () => {
    for (let atMs = 0; atMs < 5_000; atMs += 250) {
      const site = await running();
      site.assign(GOOD);
      await site.run(atMs);
      site.powerCut();
      site.startAgent();
      await site.run(30_000);
      expect([atMs, standing(site)]).toEqual([atMs, ONLY_NEW]);
    }
  });
});

describe("intent in the loop", () => {
  const asked = (run: boolean, restarts: number, generation: number): Assignment =>
    assignment([{ ...v1, intent: { run, restarts } }], { position: { epoch: 1, generation } });

  test("[N132] stopped through a boot and an agent's restart, then started; restarted once however often the agent is killed", async () => {
    const site = await running();
    site.assign(asked(false, 0, 2));
    await site.run(5_000);
    site.powerCut();
    site.startAgent();
    await site.run(60_000);
    expect(statusOf(site).state).toEqual({ kind: "stopped" });
    expect(eventKinds(site).filter((kind) => kind === "stopped")).toHaveLength(1);
    site.assign(asked(true, 0, 3));
    await site.run(5_000);
    expect(statusOf(site)).toMatchObject({ state: { kind: "running" }, restarts: 0 });
    site.mutations.length = 0;
    site.assign(asked(true, 1, 4));
    await site.run(20_000);
    await site.restartAgent();
    await site.run(20_000);
    expect(site.mutations.map(({ call }) => call.split(" ")[0])).toEqual(["stop", "start"]);
    expect(eventKinds(site).filter((kind) => kind === "restarted")).toHaveLength(1);
  });
});

describe("a lease in the loop", () => {
  /** For longer than the file allows; each agent counts it anew from its own start, as it first sees it then. */
  const counted = (clock: Clock): ChangeTimes => {
    const endsAtMs = clock.monotonicMs() + 86_400_000;
    return {
      look: () => Promise.resolve(),
      windows: () => new Map(),
      holds: () => new Map([[v1.id, { owner: "till", reason: "a sale is open", endsAtMs }]]),
      holdMount: () => Promise.resolve(null),
    };
  };
  const held = assignment(
    GOOD.workloads.map((one) => ({ ...one, times: { ...NO_UPDATE_TIMES, hold: { maxMs: 3_600_000 } } })),
    { position: GOOD.position },
  );

  test("[N117] an agent that is started again every few minutes holds an update no longer than one that runs on", async () => {
    const site = await running();
    site.times = counted;
    await site.restartAgent();
    site.assign(held);
    for (let minutes = 0; minutes < 56; minutes += 7) {
      await site.run(420_000);
      expect(standing(site)).toEqual(ONLY_OLD);
      await site.restartAgent();
    }
    await site.run(180_000);
    expect(standing(site)).toEqual(ONLY_OLD);
    await site.run(120_000);
    expect(standing(site)).toEqual(ONLY_NEW);
    expect(site.events().filter(({ kind }) => kind === "hold-ended")).toMatchObject([
      { how: "it has held this update for as long as it may" },
    ]);
  });
});
