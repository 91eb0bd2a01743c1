// Health and run history on a node, with the simulated engine on virtual time: probes in the loop, and what is kept of a run that ended.

import { countRun, freshMemory } from "@skerry/agent/core/remember.ts";
import type { Ender } from "@skerry/shared/model/exit-words.ts";
import { exitInWords } from "@skerry/shared/model/exit-words.ts";
import type { Probe, Probes } from "@skerry/shared/model/update.ts";
import { describe, expect, test } from "vitest";
import { assignment, BOOT, container, workload } from "./scenario.ts";
import { createSite, type Site } from "./site.ts";

const PROBE: Probe = {
  check: { kind: "http", port: 80, path: "/", status: [{ from: 200, to: 399 }], headers: {} },
  ...{ initialDelayMs: 0, intervalMs: 1_000, timeoutMs: 500, failureThreshold: 3, successThreshold: 1 },
};
const none: Probes = { startup: null, readiness: null, liveness: null };
const probed = (probes: Partial<Probes>) =>
  workload("web", { spec: { image: "sim/steady:1" }, probes: { ...none, ...probes } });
const BAD = { ok: false, what: "HTTP 503", detail: "" };

async function settled(web = probed({}), forMs = 20_000): Promise<Site> {
  const site = createSite();
  site.startAgent();
  site.assign(assignment([web]));
  await site.run(forMs);
  return site;
}

const statusOf = (site: Site) => {
  const [status] = site.reconciler().statuses();
  if (status === undefined) throw new Error("nothing is shown");
  return status;
};
const count = (site: Site, kind: string): number => site.events().filter((event) => event.kind === kind).length;

describe("probes in the loop", () => {
  test("[N172] what is not alive is restarted with back-off, once per run, and an event says what it answered", async () => {
    const site = await settled(probed({ liveness: PROBE }));
    site.ask = () => Promise.resolve(BAD);
    await site.run(30_000);
    const failed = site.events().filter(({ kind }) => kind === "probe-failed");
    expect(failed[0]).toMatchObject({ probe: "liveness", answer: "HTTP 503" });
    // At once, then after about 1, 2 and 4 s, with some seconds to each verdict.
    expect(failed.length).toBeGreaterThanOrEqual(3);
    expect(failed.length).toBeLessThanOrEqual(8);
    expect(count(site, "backing-off")).toBeGreaterThanOrEqual(failed.length - 2);
    expect(count(site, "container-exited")).toBe(0);
    expect(statusOf(site).restarts).toBe(failed.length);
  });

  test("[N173] a start that its startup probe gives up is started anew, and liveness is not asked meanwhile", async () => {
    const asked: string[] = [];
    const startup = { ...PROBE, check: { kind: "tcp" as const, port: 1 } };
    const site = createSite();
    site.startAgent();
    site.ask = (_, { check }) => {
      asked.push(check.kind);
      return Promise.resolve(check.kind === "tcp" ? { ...BAD, what: "connection refused" } : BAD);
    };
    site.assign(assignment([probed({ startup, liveness: PROBE })]));
    await site.run(20_000);
    expect(new Set(asked)).toEqual(new Set(["tcp"]));
    expect(site.events().find(({ kind }) => kind === "probe-failed")).toMatchObject({ probe: "startup" });
    expect(statusOf(site).restarts).toBeGreaterThan(0);
  });

  test("[N185] unready is shown with the last answer and reported at once; the container runs on", async () => {
    const site = await settled(probed({ readiness: PROBE }));
    expect(statusOf(site)).toMatchObject({ ready: true, state: { kind: "running" }, restarts: 0 });
    const { startedAt } = site.container("shop-web-1");
    let told = 0;
    site.reconciler().onStatus(() => {
      told += 1;
    });
    site.ask = () => Promise.resolve(BAD);
    await site.run(60_000);
    expect(statusOf(site)).toMatchObject({ ready: false, restarts: 0 });
    expect(statusOf(site).probes).toEqual([{ probe: "readiness", ok: false, answer: "HTTP 503", failures: 3 }]);
    expect(told).toBe(1);
    expect(site.container("shop-web-1").startedAt).toBe(startedAt);
    site.ask = () => Promise.resolve({ ok: true, what: "HTTP 200", detail: "" });
    await site.run(5_000);
    expect(statusOf(site).ready).toBe(true);
    const kinds = site.events().map(({ kind }) => kind);
    expect(kinds.slice(-2)).toEqual(["probe-failed", "probe-recovered"]);
  });

  test("[N186] a service without a startup or readiness probe is neither ready nor unready", async () => {
    expect(statusOf(await settled(probed({ liveness: PROBE }))).ready).toBeNull();
    expect(statusOf(await settled(workload("web", { spec: { image: "sim/steady:1" } }))).ready).toBeNull();
  });
});

describe("run history", () => {
  test("[N190] of a run that ended its last lines, its words and its length are kept, also when its container is gone", async () => {
    const web = workload("web", { spec: { image: "sim/doomed:1" } });
    const site = await settled(web, 3_000);
    const exited = site.events().find((event) => event.kind === "container-exited");
    expect(exited).toMatchObject({ words: "ended with an error (exit 1)", tail: ["first", "second"] });
    site.assign(assignment([workload("web", { spec: { image: "sim/steady:1" }, hash: "b1" })]));
    await site.run(60_000);
    expect(statusOf(site)).toMatchObject({
      state: { kind: "running" },
      lastEnd: { words: "ended with an error (exit 1)" },
    });
    expect(statusOf(site).lastEnd?.agoMs).toBeGreaterThan(50_000);
    await site.restartAgent();
    await site.run(5_000);
    expect(statusOf(site).lastEnd?.agoMs).toBeGreaterThan(55_000);
  });

  test("[N191] no more than three runs are kept, and the last lines of the newest alone", async () => {
    const site = await settled(workload("web", { spec: { image: "sim/doomed:1" } }), 60_000);
    const [memory] = site.content().memory.values();
    expect(count(site, "container-exited")).toBeGreaterThan(3);
    expect(memory?.runs.map(({ tail }) => tail.length > 0)).toEqual([true, false, false]);
    const failures = memory?.runs.map((run) => run.failures) ?? [];
    expect(failures).toEqual([...failures].sort((a, b) => b - a));
  });

  test("[N192] an engine that does not give the last lines holds healing up for two seconds at most", async () => {
    const site = await settled(workload("web", { spec: { image: "sim/steady:1" } }));
    await site.run(60_000);
    site.tail = () => new Promise(() => undefined);
    site.machine.kill(site.container("shop-web-1").id, "outside", 137);
    await site.run(4_000);
    expect(site.container("shop-web-1").status).toBe("running");
    expect(site.events().find((event) => event.kind === "container-exited")).toMatchObject({ tail: [] });
  });

  test("[N193] an end that the node saw without a break and nobody ordered is the machine's", async () => {
    const site = await settled(workload("web", { spec: { image: "sim/steady:1" } }));
    await site.run(60_000);
    site.machine.kill(site.container("shop-web-1").id, "outside", 137);
    await site.run(2_000);
    expect(statusOf(site).lastEnd?.words).toContain("not through the engine (exit 137)");
  });

  test("[N193] what an engine's restart ended was ended by it", async () => {
    const site = await settled(workload("web", { spec: { image: "sim/steady:1" } }));
    await site.run(60_000);
    site.engine.down();
    await site.run(10_000);
    site.engine.up(false);
    await site.run(30_000);
    expect(statusOf(site).lastEnd?.words).toBe("ended by its engine, which was stopped or restarted (exit 137)");
  });

  test("[N194] where bytes are paid for, only the first of the same ends in a row carries its last lines", () => {
    const web = workload("web");
    const moment = { bootId: BOOT, now: 0, chance: () => 0 };
    const seen = { end: { by: null, tail: ["last"] }, probed: null, metered: true };
    const run = (number: number, exitCode = 1) =>
      container(web, { status: "exited", details: { exitCode, ranMs: 10, startedAt: `run ${number}` } });
    const first = countRun(freshMemory(web.specHash), run(1), web, moment, seen);
    const second = countRun(first.memory, run(2), web, moment, seen);
    const third = countRun(second.memory, run(3, 2), web, moment, seen);
    const tails = [first, second, third].map(({ events }) =>
      events.flatMap((one) => ("tail" in one ? [one.tail] : [])),
    );
    expect(tails).toEqual([[["last"]], [[]], [["last"]]]);
    expect(second.memory.runs[0]?.tail).toEqual(["last"]);
  });

  test.each<[number, boolean, Ender | null, string]>([
    [137, true, "person", "killed by the kernel at its memory limit of 32 MB (exit 137)"],
    [137, false, "person", "killed by a person or a program, through the engine (exit 137)"],
    [0, false, "person", "stopped by a person or a program, through the engine (exit 0)"],
    [143, false, "engine", "ended by its engine, which was stopped or restarted (exit 143)"],
    [
      137,
      false,
      "machine",
      "killed by somebody on the machine, or by the kernel for want of memory; not through the engine (exit 137)",
    ],
    [137, false, null, "ended by signal KILL (exit 137)"],
    [139, false, "machine", "crashed: it touched memory that is not its own (signal SEGV, exit 139)"],
    [126, false, null, "its command is not executable (exit 126)"],
    [127, false, null, "its command was not found (exit 127)"],
    [143, false, null, "ended when told to stop (signal TERM, exit 143)"],
    [1, false, "machine", "ended with an error (exit 1)"],
  ])("[N195] exit %i (memory: %s, by: %s) reads: %s", (code, oom, by, words) => {
    expect(exitInWords({ code, oom, error: "", ranMs: 1 }, 32 * 1_048_576, by)).toBe(words);
  });
});
