// The change-over on the node: how a new spec takes the place of the last good one, how it is judged, and how the node goes back.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import { PLAIN_CHANGE_OVER } from "@skerry/shared/model/plain.ts";
import { describe, expect, test } from "vitest";
import {
  assignment,
  container,
  context,
  exited,
  kinds,
  type ModelNode,
  NO_MEMORY,
  observed,
  passedMemory,
  round,
  settle,
  statusOf,
  tombstone,
  workload,
} from "../../../test/unit/agent/scenario.ts";
import type { OwnContainer } from "./observed.ts";
import type { PlanContext } from "./plan/scene.ts";
import { plan } from "./plan.ts";

const MONITOR_MS = 5_000;
const DEADLINE_MS = 60_000;

const v1 = workload("web", { revision: 1, spec: { image: "web:1" } });

interface Over extends Partial<Workload["changeOver"]> {
  readonly hash?: string;
  readonly of?: Partial<Workload>;
  readonly spec?: Partial<Workload["spec"]>;
}

/** Revision 2 of `v1`, to take its place. */
function v2({ hash = "b2", of = {}, spec = {}, ...changeOver }: Over = {}): Workload {
  const { revision, specHash, spec: before, probes } = v1;
  const made = workload("web", { revision: 2, hash, spec: { image: "web:2", ...spec } });
  return {
    ...made,
    ...of,
    changeOver: {
      ...PLAIN_CHANGE_OVER,
      monitorMs: MONITOR_MS,
      deadlineMs: DEADLINE_MS,
      onFailure: "revert",
      previous: { revision, specHash, spec: before, probes },
      ...changeOver,
    },
  };
}

const CONNECTED = { connected: true, changedAtMs: 0, leaseFromMs: null, pending: [] };

/** v1 runs and has passed long ago; `wanted` comes. All images are there. */
function changing(wanted: Workload, own: readonly OwnContainer[] = [container(v1, { id: "c1" })]): ModelNode {
  return {
    desired: assignment([wanted]),
    observed: observed([v1, wanted], own),
    memory: passedMemory(v1),
    now: 1_000_000,
    count: 1,
  };
}

const look = ({ desired, observed: seen, memory, now }: ModelNode, options: Partial<PlanContext> = {}) =>
  plan(desired, seen, memory, context({ link: CONNECTED, ...options }), now);

const step = (node: ModelNode, options: Partial<PlanContext> = {}) => round(node, { link: CONNECTED, ...options });

/** Names and what they do, by name. */
const standing = ({ observed: { own } }: ModelNode): string[] =>
  own.map(({ summary, specHash }) => `${summary.name} ${specHash.slice(0, 2)} ${summary.status}`).sort();

/** The new one runs, the old one is put aside. */
function inTrial(wanted: Workload = v2()): ModelNode {
  return step(changing(wanted)).node;
}

const change = (node: ModelNode, name: string, turn: (own: OwnContainer) => OwnContainer): ModelNode => {
  const own = node.observed.own.map((one) => (one.summary.name === name ? turn(one) : one));
  return { ...node, observed: { ...node.observed, own } };
};

const dies = (node: ModelNode, code: number, name = "shop-web-1"): ModelNode =>
  change(node, name, (own) => exited(own, node, code, 1_000));

const eventKinds = (events: readonly NodeEvent[]): string[] => events.map(({ kind }) => kind);

describe("stop-first", () => {
  test("[N100] the old container is stopped, put aside under its name with -previous, and removed once the new one has passed", () => {
    const first = step(changing(v2()));
    expect(kinds(first.plan, v1.id)).toBe("stop rename create start");
    expect(standing(first.node)).toEqual(["shop-web-1 b2 running", "shop-web-1-previous a1 exited"]);
    const trial = look(first.node);
    expect(trial.lanes).toEqual([]);
    expect(statusOf(trial, v1)).toMatchObject({
      revision: 2,
      gate: { kind: "open", waits: "health" },
      gateFor: { attempt: 0 },
    });
    const passed = step({ ...first.node, now: first.node.now + MONITOR_MS });
    expect(passed.plan.events).toContainEqual({ kind: "gate-passed", workload: v1.id, revision: 2 });
    expect(standing(passed.node)).toEqual(["shop-web-1 b2 running"]);
    const rest = look(passed.node);
    expect(rest).toMatchObject({ lanes: [], memory: [], events: [] });
    expect(statusOf(rest, v1)).toMatchObject({ gate: { kind: "passed" }, gateFor: { specHash: v2().specHash } });
  });

  test("[N101] one that fails is removed and the kept one is started again under its own name; its end is no failure of its own", () => {
    const failed = step(dies(inTrial(), 1));
    expect(failed.plan.events).toContainEqual(expect.objectContaining({ kind: "gate-failed", revision: 2 }));
    expect(failed.plan.events).toContainEqual(expect.objectContaining({ kind: "reverted", from: 2, to: 1 }));
    const { node, plan: rest } = settle(failed.node, 10, { link: CONNECTED });
    expect(standing(node)).toEqual(["shop-web-1 a1 running"]);
    expect(node.observed.own[0]?.summary.id).toBe("c1");
    expect(statusOf(rest, v1)).toMatchObject({
      revision: 1,
      specHash: v1.specHash,
      state: { kind: "running" },
      restarts: 0,
      gate: { kind: "failed", reverted: true, reason: expect.stringContaining("exit 1") },
      gateFor: { specHash: v2().specHash, attempt: 0 },
    });
    expect(look(node)).toMatchObject({ lanes: [], memory: [], events: [] });
  });

  test("[N101] the last good one is made anew when it is gone, after its image was pulled", () => {
    const node = dies(inTrial(), 1);
    const own = node.observed.own.filter(({ summary }) => summary.name === "shop-web-1");
    const images = new Map([...node.observed.images, ["web:1", null]]);
    const gone: ModelNode = { ...node, observed: { ...node.observed, own, images } };
    const end = settle(gone, 10, { link: CONNECTED });
    expect(standing(end.node)).toEqual(["shop-web-1 a1 running"]);
    expect(statusOf(end.plan, v1)).toMatchObject({ revision: 1, gate: { kind: "failed", reverted: true } });
  });

  test("[N102] a kept one never piles up: it goes with its workload, and a third revision keeps the same one", () => {
    const v3 = { ...v2({ hash: "c3" }), revision: 3 };
    const third = step({ ...inTrial(), desired: assignment([v3]) });
    expect(standing(third.node)).toEqual(["shop-web-1 c3 running", "shop-web-1-previous a1 exited"]);
    const retired = settle({ ...third.node, desired: assignment([], { retired: [tombstone(v1.id)] }) }, 5);
    expect(standing(retired.node)).toEqual([]);
  });

  test("[N103] nothing is stopped before the image of the new one is there, and an image that is definitively not to be had fails the gate with the old one running on", () => {
    const wanted = v2();
    const images = new Map([
      ["web:1", "sha256:web:1"],
      ["web:2", null],
    ]);
    const node = { ...changing(wanted), observed: observed([v1], [container(v1, { id: "c1" })], { images }) };
    const pulling = step(node);
    expect(pulling.plan.lanes.map(({ actions }) => actions.map(({ kind }) => kind))).toEqual([["pull-image"]]);
    expect(statusOf(pulling.plan, v1)).toMatchObject({ revision: 1, gate: { kind: "open", waits: "image" } });
  });

  test("[N104] a job that ran to its end has passed", () => {
    const job = v2({ spec: { restart: { policy: "no", maxAttempts: null, delayMs: null, windowMs: null } } });
    const done = look(dies(inTrial(job), 0));
    expect(statusOf(done, v1)).toMatchObject({ state: { kind: "completed" }, gate: { kind: "passed" } });
  });
});

describe("what fails a gate", () => {
  const reasonOf = (node: ModelNode, options: Partial<PlanContext> = {}): unknown => {
    const { gate } = statusOf(look(node, options), v1);
    return gate.kind === "failed" ? gate.reason : gate.kind;
  };
  const answers = (alive: boolean): Partial<PlanContext> => ({
    readiness: new Map([
      [v1.id, { ready: alive, startupDone: true, alive, reason: "liveness: HTTP 503", answers: [] }],
    ]),
  });
  const refused = (node: ModelNode, times: number): ModelNode => {
    let at = node;
    for (let turn = 0; turn < times; turn += 1) {
      at = round(at, { link: CONNECTED }, ({ kind }) =>
        kind === "start-container" ? { ok: false, kind: "retry", message: "exec: no such file" } : undefined,
      ).node;
    }
    return at;
  };

  test("[N105] an end, bad health, a probe that failed for good, what the engine refuses, and three refused starts", () => {
    expect(reasonOf(dies(inTrial(), 139))).toContain("139");
    const sick = (own: OwnContainer): OwnContainer => ({
      ...own,
      summary: { ...own.summary, health: "unhealthy" },
      details: { ...own.details, health: "unhealthy", healthOutput: "no answer" },
    });
    expect(reasonOf(change(inTrial(), "shop-web-1", sick))).toBe("unhealthy: no answer");
    expect(reasonOf(inTrial(), answers(false))).toBe("liveness: HTTP 503");
    const invalid = round(changing(v2()), { link: CONNECTED }, ({ kind }) =>
      kind === "create-container" ? { ok: false, kind: "invalid", message: "bad field" } : undefined,
    );
    expect(reasonOf(invalid.node)).toContain("bad field");
    expect(reasonOf(refused(changing(v2()), 2))).toBe("open");
    expect(reasonOf(refused(changing(v2()), 5))).toContain("could not be started 3 times");
  });

  test("[N105] without anything to go back to a gate stays open until it passes, with ordinary back-off", () => {
    const alone = v2({ previous: null });
    const crashed = dies(
      settle({ ...changing(alone), observed: observed([alone], []) }, 3, { link: CONNECTED }).node,
      1,
    );
    const found = look(crashed);
    expect(statusOf(found, v1).gate).toMatchObject({ kind: "open" });
    expect(kinds(found, v1.id)).toBe("start");
    expect(eventKinds(found.events)).toEqual(["container-exited"]);
  });

  test("[N106] its deadline counts its own time only: no pull under way, no window, hold, stop or engine that is away", () => {
    const starting = change(inTrial(), "shop-web-1", (own) => ({
      ...own,
      summary: { ...own.summary, health: "starting" },
      details: { ...own.details, health: "starting" },
    }));
    const begun: ModelNode = { ...step(starting).node, now: starting.now + 10 };
    const late: ModelNode = { ...begun, now: begun.now + DEADLINE_MS };
    expect(reasonOf(late)).toContain("deadline of 60 s");
    expect(reasonOf(late, { unbrokenSinceMs: late.now - 1_000 })).toBe("open");
    const key = "image:web:2 ";
    const pull = { key, actions: [] };
    const paused: ModelNode = { ...step(begun, { busy: new Map([[key, pull]]) }).node, now: begun.now + 10 };
    expect(reasonOf({ ...paused, now: paused.now + DEADLINE_MS }, { busy: new Map([[key, pull]]) })).toBe("open");
    expect(look(begun).wakeAtMs).toBe(1_000_000 + DEADLINE_MS);
  });

  test("[N107] an end found at the first look after a break (a boot, an engine's restart) is healed and does not count", () => {
    const rebooted = dies(inTrial(), 255);
    const found = step(rebooted, { unbrokenSinceMs: rebooted.now, bootId: "boot-2" });
    expect(statusOf(found.plan, v1).gate).toMatchObject({ kind: "open" });
    expect(kinds(found.plan, v1.id)).toBe("start");
    expect(reasonOf(dies(found.node, 1), { bootId: "boot-2" })).toContain("exit 1");
  });

  test("[N108] good means running, healthy and ready without a break for the whole time", () => {
    const notReady = answers(false);
    const unready = new Map([
      [v1.id, { ready: false, startupDone: true, alive: true, reason: "HTTP 503", answers: [] }],
    ]);
    const ready = new Map([[v1.id, { ready: true, startupDone: true, alive: true, reason: "", answers: [] }]]);
    expect(notReady).toBeDefined();
    const trial = inTrial();
    const seen = step(trial, { readiness: ready }).node;
    const broken = step({ ...seen, now: trial.now + 4_000 }, { readiness: unready });
    expect(statusOf(broken.plan, v1).gate).toMatchObject({ waits: "health", reason: "HTTP 503" });
    const again = step({ ...broken.node, now: trial.now + 6_000 }, { readiness: ready });
    expect(statusOf(again.plan, v1).gate).toMatchObject({ kind: "open" });
    const passed = look({ ...again.node, now: trial.now + 11_001 }, { readiness: ready });
    expect(statusOf(passed, v1).gate).toEqual({ kind: "passed" });
  });
});

describe("after a failure", () => {
  test("[N109] a failed spec is not tried again until another hash or a larger attempt is wanted, whatever else changes", () => {
    const { node } = settle(step(dies(inTrial(), 1)).node, 10, { link: CONNECTED });
    const again = (wanted: Workload) => look({ ...node, desired: assignment([wanted]) });
    expect(again({ ...v2(), revision: 9 }).lanes).toEqual([]);
    expect(again(v2({ previous: null })).lanes).toEqual([]);
    expect(look({ ...node, now: node.now + 1e9 }, { bootId: "boot-9" }).lanes).toEqual([]);
    expect(kinds(again(v2({ attempt: 1 })), v1.id)).toBe("stop rename create start");
    expect(kinds(again(v2({ hash: "c3" })), v1.id)).toBe("stop rename create start");
  });

  test("[N110] onFailure wait stays with the new one for the operator, and goes back when the hub has not been heard for half a minute", () => {
    const failed = step(dies(inTrial(v2({ onFailure: "wait" })), 1));
    expect(eventKinds(failed.plan.events)).toContain("gate-failed");
    expect(eventKinds(failed.plan.events)).not.toContain("reverted");
    expect(statusOf(failed.plan, v1)).toMatchObject({ revision: 2, gate: { kind: "failed", reverted: false } });
    expect(standing(failed.node)).toEqual(["shop-web-1 b2 running", "shop-web-1-previous a1 exited"]);
    const lost = { link: { ...CONNECTED, connected: false, changedAtMs: failed.node.now } };
    const early = look(failed.node, lost);
    expect(early).toMatchObject({ lanes: [], wakeAtMs: failed.node.now + 30_000 });
    const { node } = settle({ ...failed.node, now: failed.node.now + 30_000 }, 10, lost);
    expect(standing(node)).toEqual(["shop-web-1 a1 running"]);
    expect(look(node).lanes).toEqual([]);
  });

  test("[N110] onFailure carry-on keeps trying, and what failed passes only after a stable run", () => {
    const failed = step(dies(inTrial(v2({ onFailure: "carry-on" })), 1)).node;
    expect(statusOf(look({ ...failed, now: failed.now + MONITOR_MS }), v1).gate).toMatchObject({ kind: "failed" });
    expect(statusOf(look({ ...failed, now: failed.now + 60_000 }), v1).gate).toEqual({ kind: "passed" });
  });

  test("[N109] a larger attempt of one that was not reverted stops it and begins anew", () => {
    const failed = step(dies(inTrial(v2({ onFailure: "wait" })), 1)).node;
    const retry = step({ ...failed, desired: assignment([v2({ onFailure: "wait", attempt: 1 })]) });
    expect(kinds(retry.plan, v1.id)).toBe("stop start");
    const status = statusOf(look(retry.node), v1);
    expect(status).toMatchObject({ gate: { kind: "open" }, gateFor: { attempt: 1 } });
    expect(look(retry.node).lanes).toEqual([]);
  });

  test("[N202] a verdict ends when another hash is wanted: what returns is judged anew, whatever became of the other", () => {
    const { node } = settle(step(dies(inTrial(), 1)).node, 10, { link: CONNECTED });
    const other = step({
      ...node,
      desired: assignment([v2({ hash: "c3", spec: { image: "web:3", pullPolicy: "never" } })]),
    });
    const again = look({ ...other.node, desired: assignment([v2()]) });
    expect(statusOf(again, v1).gate).toMatchObject({ kind: "open" });
    expect(kinds(again, v1.id)).toBe("stop rename create start");

    const good = step({ ...inTrial(), now: 1_000_000 + MONITOR_MS }).node;
    const undone = step({ ...good, desired: assignment([{ ...v1, revision: 3 }]) }).node;
    const returned = look({ ...undone, desired: assignment([v2()]) });
    expect(statusOf(returned, v1)).toMatchObject({ gate: { kind: "open" }, gateFor: { specHash: v2().specHash } });
  });

  test("[N203] while the way back cannot be taken, the one that failed is not started again", () => {
    const spec = { ...v1.spec, pullPolicy: "never" as const };
    const previous = { revision: 1, specHash: v1.specHash, spec, probes: v1.probes };
    const node = dies(inTrial(v2({ previous })), 1);
    const own = node.observed.own.filter(({ summary }) => summary.name === "shop-web-1");
    const images = new Map([...node.observed.images, ["web:1", null]]);
    const failed = step({ ...node, observed: { ...node.observed, own, images } });
    expect(failed.plan.events).toContainEqual(expect.objectContaining({ kind: "reverted", from: 2, to: 1 }));
    expect(standing(failed.node)).toEqual(["shop-web-1 b2 exited"]);
    for (const ms of [0, 31_000, 600_000])
      expect(look({ ...failed.node, now: failed.node.now + ms }).lanes, `after ${ms} ms`).toEqual([]);
  });

  test("[N111] the way back is the wanted hash again: the kept container takes its place without being made anew", () => {
    const { previous } = v2().changeOver;
    const undone = {
      ...v1,
      revision: 3,
      changeOver: { ...v2().changeOver, previous: null, onFailure: "carry-on" as const },
    };
    expect(previous).not.toBeNull();
    const { node, plan: rest } = settle({ ...inTrial(), desired: assignment([undone]) }, 10, { link: CONNECTED });
    expect(standing(node)).toEqual(["shop-web-1 a1 running"]);
    expect(node.observed.own[0]?.summary.id).toBe("c1");
    expect(statusOf(rest, v1)).toMatchObject({ revision: 3, restarts: 0 });
  });
});

describe("start-first", () => {
  const first = v2({ order: "start-first" });

  test("[N112] the new one is made under -next beside the old one, which goes when it has passed; then it gets the right name without a word", () => {
    const begun = step(changing(first));
    expect(kinds(begun.plan, v1.id)).toBe("create start");
    expect(standing(begun.node)).toEqual(["shop-web-1 a1 running", "shop-web-1-next b2 running"]);
    expect(look(begun.node).lanes).toEqual([]);
    const passed = step({ ...begun.node, now: begun.node.now + MONITOR_MS });
    const { node, plan: rest } = settle(passed.node, 5, { link: CONNECTED });
    expect(standing(node)).toEqual(["shop-web-1 b2 running"]);
    expect([...passed.plan.events, ...rest.events].filter(({ kind }) => kind === "drift")).toEqual([]);
  });

  test("[N112] one that fails is removed, and the old one was never stopped", () => {
    const begun = step(changing(first)).node;
    const { node } = settle(dies(begun, 1, "shop-web-1-next"), 5, { link: CONNECTED });
    expect(standing(node)).toEqual(["shop-web-1 a1 running"]);
    expect(node.observed.own[0]?.details.startedAt).toBe("2026-11-21T10:00:00Z");
  });

  test("[N112] the old one is healed while the new one is on trial", () => {
    const begun = step(changing(first)).node;
    const own = begun.observed.own.find(({ summary }) => summary.name === "shop-web-1");
    const found = look(change(begun, "shop-web-1", (one) => exited(one, begun, 1, 600_000)));
    expect(kinds(found, `old:${own?.summary.id}`)).toBe("start");
  });

  /** Containers that clients of `web` reach, by spec hash. */
  const found = ({ observed: { own } }: ModelNode): string[] =>
    own
      .filter(
        ({ details, summary }) => summary.status === "running" && details.aliases["shop_default"]?.includes("web"),
      )
      .map(({ specHash }) => specHash.slice(0, 2));

  test("[N134] the new one is made without its aliases, which lead to the old one until it has passed, and then to both", () => {
    const begun = step(changing(first)).node;
    expect(found(begun)).toEqual(["a1"]);
    expect(look(begun)).toMatchObject({ lanes: [], events: [] });
    const passed = step({ ...begun, now: begun.now + MONITOR_MS });
    expect(kinds(passed.plan, v1.id)).toBe("change-aliases");
    expect(passed.plan.lanes).toHaveLength(1);
    expect(passed.plan.events.map(({ kind }) => kind)).toEqual(["gate-passed"]);
    expect(found(passed.node)).toEqual(["a1", "b2"]);
  });

  test("[N135] the old one loses its aliases and is given time before it is stopped, and never before the new one has them", () => {
    const begun = step(changing(first)).node;
    const refused = round({ ...begun, now: begun.now + MONITOR_MS }, { link: CONNECTED }, ({ kind }) =>
      kind === "change-aliases" ? { ok: false, kind: "retry", message: "busy" } : undefined,
    );
    expect(found(refused.node)).toEqual(["a1"]);
    // Cut off in the middle, the new one is on no network: it is connected, by its names, and the old one serves on.
    const detached = change(refused.node, "shop-web-1-next", (own) => ({
      ...own,
      summary: { ...own.summary, networks: [] },
      details: { ...own.details, aliases: {} },
    }));
    const connected = step(detached);
    expect(connected.plan.lanes.map(({ actions }) => actions)).toMatchObject([
      [{ kind: "connect-network", network: "shop_default", aliases: ["web"] }],
    ]);
    const over = step(connected.node);
    expect(kinds(over.plan, "extra:c1")).toBe("change-aliases let-settle stop remove");
    expect(over.plan.lanes.flatMap(({ actions }) => actions)[0]).toMatchObject({ aliases: [], pinned: true });
    expect(found(over.node)).toEqual(["b2"]);
  });

  test("[N134] without one that serves, or with published ports, the new one has its aliases from the start", () => {
    expect(found(step(changing(first, [container(v1, { id: "c1", status: "exited" })])).node)).toContain("b2");
    const port = { containerPort: 80, hostPort: null, hostIp: "", protocol: "tcp" as const };
    const published = step(changing(v2({ order: "start-first", spec: { ports: [port] } }))).node;
    expect(found(published)).toEqual(["a1", "b2"]);
    const passed = step({ ...published, now: published.now + MONITOR_MS });
    expect(kinds(passed.plan, "extra:c1")).toBe("stop remove");
  });

  test("[N134] when the old one has ended for good, the new one is found before it has passed", () => {
    const once = { policy: "no", maxAttempts: null, delayMs: null, windowMs: null } as const;
    const begun = step(changing(v2({ order: "start-first", spec: { restart: once } }))).node;
    expect(found(begun)).toEqual(["a1"]);
    expect(found(step(change(begun, "shop-web-1", (own) => exited(own, begun, 0, 600_000))).node)).toEqual(["b2"]);
  });

  test("[N135] while it is not known by what the new one is found, it is left alone and the old one serves on", () => {
    const begun = step(changing(first)).node;
    const passed = step({ ...begun, now: begun.now + MONITOR_MS }).node;
    const unseen = change(passed, "shop-web-1-next", (own) => ({ ...own, details: { ...own.details, aliases: {} } }));
    expect(look(unseen)).toMatchObject({ lanes: [], events: [] });
  });

  test("[N134] one that an older agent made with its aliases keeps them, and nothing is told or done", () => {
    const begun = step(changing(first)).node;
    const older = change(begun, "shop-web-1-next", (own) => ({ ...own, details: container(v1).details }));
    expect(look(older)).toMatchObject({ lanes: [], events: [] });
    const passed = step({ ...older, now: older.now + MONITOR_MS });
    expect(kinds(passed.plan, "extra:c1")).toBe("change-aliases let-settle stop remove");
  });

  test("[N113] what cannot stand twice (a fence, a host port, a fixed address) is changed over stop-first", () => {
    const port = { containerPort: 80, hostPort: 80, hostIp: "", protocol: "tcp" as const };
    const published = v2({ order: "start-first", spec: { ports: [port] } });
    expect(kinds(look(changing(published)), v1.id)).toBe("stop rename create start");
    const fenced = v2({ order: "start-first", of: { disconnect: { policy: "fence", afterMs: 30_000 } } });
    const leased = { link: { ...CONNECTED, leaseFromMs: 1_000_000 } };
    expect(kinds(look(changing(fenced), leased), v1.id)).toBe("stop rename create start");
  });

  test("[N113] a fenced one that goes back is stopped first, starts only with a lease, and shows the present token", () => {
    const fence = { disconnect: { policy: "fence", afterMs: 30_000 }, fencingToken: 2 } as const;
    const old = container({ ...v1, ...fence, fencingToken: 1 }, { id: "c1" });
    const leased = (now: number) => ({ link: { ...CONNECTED, leaseFromMs: now } });
    const begun = step(changing(v2({ of: fence }), [old]), leased(1_000_000)).node;
    const back = settle(dies(begun, 1), 10, leased(begun.now));
    expect(standing(back.node)).toEqual(["shop-web-1 a1 running"]);
    expect(back.node.observed.own[0]?.fencingToken).toBe(2);
    const silent = step(dies(begun, 1), { link: CONNECTED });
    expect(silent.plan.lanes.flatMap(({ actions }) => actions).map(({ kind }) => kind)).not.toContain(
      "start-container",
    );
  });
});

describe("what holds a change back", () => {
  const times = { download: null, apply: null, hold: null };
  const window = { cron: "0 3 * * *", durationMs: 3_600_000, timeZone: "UTC" };
  const shut = { kind: "closed", opensAtMs: 2_000_000, reason: "it opens at 03:00" } as const;
  const open = { kind: "open", closesAtMs: 2_000_000 } as const;
  const windows = (of: PlanContext["openWindows"] extends ReadonlyMap<unknown, infer W> ? W : never) => ({
    openWindows: new Map([[v1.id, of]]),
  });

  test("[N114] outside its update window nothing good is stopped; first starts, healing, the way back and --force are not held", () => {
    const timed = v2({ of: { times: { ...times, apply: window } } });
    const closed = windows({ download: null, apply: shut });
    const held = look(changing(timed), closed);
    expect(held).toMatchObject({ lanes: [], wakeAtMs: 2_000_000 });
    expect(statusOf(held, v1)).toMatchObject({
      state: { kind: "running" },
      gate: { kind: "open", waits: "window", reason: expect.stringContaining("it opens at 03:00") },
    });
    expect(look(changing(timed)).lanes).toEqual([]);
    const go = "stop rename create start";
    expect(kinds(look(changing(timed), windows({ download: null, apply: open })), v1.id)).toBe(go);
    const forced = v2({ of: { times: { ...times, apply: window } }, force: true });
    expect(kinds(look(changing(forced), closed), v1.id)).toBe(go);
    expect(kinds(look(changing(timed, []), closed), v1.id)).toBe("create start");
    const crashed = exited(container(v1, { id: "c1" }), { now: 1 }, 1, 1_000);
    expect(kinds(look(changing(timed, [crashed]), closed), v1.id)).toBe("rename create start");
    const trial = step(changing(timed), windows({ download: null, apply: open })).node;
    const overtaken = { ...v2({ hash: "c3", of: { times: { ...times, apply: window } } }), revision: 3 };
    expect(kinds(look({ ...trial, desired: assignment([overtaken]) }, closed), v1.id)).toBe("stop remove create start");
    const back = settle(dies(trial, 1), 10, { link: CONNECTED, ...closed });
    expect(standing(back.node)).toEqual(["shop-web-1 a1 running"]);
  });

  test("[N115] outside its download window nothing is pulled while the old one runs; a first start pulls", () => {
    const timed = v2({ of: { times: { ...times, download: window } } });
    const images = new Map([
      ["web:1", "sha256:web:1"],
      ["web:2", null],
    ]);
    const closed = windows({ download: shut, apply: null });
    const pulls = (own: readonly OwnContainer[]) =>
      look({ ...changing(timed), observed: observed([v1], own, { images }) }, closed).lanes.length;
    expect(pulls([container(v1, { id: "c1" })])).toBe(0);
    expect(pulls([])).toBe(1);
  });

  const holding = v2({ of: { times: { ...times, hold: { maxMs: 600_000 } } } });
  const lease = (endsAtMs: number) => ({
    holds: new Map([[v1.id, { owner: "till", reason: "a sale is open", endsAtMs }]]),
  });

  test("[N116] a lease of the workload puts its own update off, is shown and told, and ends by itself", () => {
    const held = step(changing(holding), lease(1_060_000));
    expect(held.plan).toMatchObject({ lanes: [], wakeAtMs: 1_005_000 });
    expect(held.plan.events).toEqual([
      { kind: "held", workload: v1.id, owner: "till", reason: "a sale is open", forMs: 60_000 },
    ]);
    expect(statusOf(held.plan, v1)).toMatchObject({
      hold: { owner: "till", reason: "a sale is open", leftMs: 60_000 },
      gate: { kind: "open", waits: "hold", reason: "held by till: a sale is open" },
    });
    expect(look({ ...held.node, now: 1_010_000 }, lease(1_060_000)).events).toEqual([]);
    const over = look({ ...held.node, now: 1_060_000 });
    expect(kinds(over, v1.id)).toBe("stop rename create start");
    expect(over.events).toMatchObject([{ kind: "hold-ended", owner: "till", how: "given back, or its time is up" }]);
    const forced = { ...holding, changeOver: { ...holding.changeOver, force: true } };
    expect(kinds(look(changing(forced), lease(9e9)), v1.id)).toBe("stop rename create start");
  });

  test("[N117] renewals of a lease put one update off for no longer than its file allows, across agent restarts too", () => {
    const held = step(changing(holding), lease(9e9)).node;
    const almost = look({ ...held, now: 1_599_000 }, { ...lease(9e9), unbrokenSinceMs: 1_599_000 });
    expect(almost.lanes).toEqual([]);
    expect(statusOf(almost, v1).hold?.leftMs).toBe(1_000);
    const over = look({ ...held, now: 1_600_000 }, lease(9e9));
    expect(kinds(over, v1.id)).toBe("stop rename create start");
    expect(over.events).toMatchObject([{ kind: "hold-ended", how: "it has held this update for as long as it may" }]);
  });

  test("[N117] a machine that reboots again and again holds an update no longer than its file allows", () => {
    const patient = { ...holding, times: { ...holding.times, hold: { maxMs: 3_600_000 } } };
    let held = step(changing(patient), lease(9e9)).node;
    let boots = 0;
    // Nine minutes are too short for anything of it to be written down.
    for (; look(held, { ...lease(9e9), bootId: `boot-${boots + 2}` }).lanes.length === 0; boots += 1) {
      held = step(held, { ...lease(9e9), bootId: `boot-${boots + 2}` }).node;
      held = step({ ...held, now: held.now + 540_000 }, { ...lease(9e9), bootId: `boot-${boots + 2}` }).node;
      expect(boots).toBeLessThan(7);
    }
    expect(boots).toBe(5);
  });

  test("[N118] in safe mode nothing new is pulled or begun, what runs is healed, and a trial may still go back", () => {
    const safe = { safeMode: true };
    expect(look(changing(v2()), safe).lanes).toEqual([]);
    expect(statusOf(look(changing(v2()), safe), v1).gate).toMatchObject({ kind: "open", waits: "safe-mode" });
    expect(look(changing(v2(), []), safe).lanes).toEqual([]);
    const plain = { ...changing(v1), desired: assignment([v1]) };
    expect(kinds(look({ ...plain, observed: observed([v1], []) }, safe), v1.id)).toBe("create start");
    expect(kinds(look(dies(plain, 1), safe), v1.id)).toBe("start");
    expect(eventKinds(look(dies(inTrial(), 1), safe).events)).toContain("reverted");
  });
});

describe("intent", () => {
  const asked = (run: boolean, restarts: number): Workload => ({ ...v1, intent: { run, restarts } });
  const node = (wanted: Workload, own = [container(v1, { id: "c1" })]): ModelNode => ({
    ...changing(wanted, own),
    memory: passedMemory(v1),
  });

  test("[N119] a stopped one is stopped once, stands stopped through crashes, boots and new revisions, and starts again when it is to run", () => {
    const stopped = step(node(asked(false, 0)));
    expect(kinds(stopped.plan, v1.id)).toBe("stop");
    const rest = step(stopped.node);
    expect(rest.plan).toMatchObject({ lanes: [], events: [{ kind: "stopped" }] });
    expect(statusOf(rest.plan, v1).state).toEqual({ kind: "stopped" });
    expect(look(rest.node, { bootId: "boot-2", unbrokenSinceMs: rest.node.now })).toMatchObject({
      lanes: [],
      events: [],
      memory: [],
    });
    const revised = look({ ...rest.node, desired: assignment([{ ...v2(), intent: { run: false, restarts: 0 } }]) });
    expect(revised.lanes).toEqual([]);
    const again = step({ ...rest.node, desired: assignment([asked(true, 0)]) });
    expect(kinds(again.plan, v1.id)).toBe("start");
    expect(statusOf(look(again.node), v1)).toMatchObject({ state: { kind: "running" }, restarts: 0 });
  });

  test("[N120] a restart is carried out once, is no failure, and clears back-off and what was given up or completed", () => {
    const first = step(node(asked(true, 1)));
    expect(kinds(first.plan, v1.id)).toBe("stop start");
    expect(eventKinds(first.plan.events)).toEqual(["restarted"]);
    expect(look(first.node)).toMatchObject({
      lanes: [],
      memory: [{ memory: { endRun: null, failures: 0 } }],
      events: [],
    });
    const restart = { policy: "no", maxAttempts: null, delayMs: null, windowMs: null } as const;
    const job = { ...v1, spec: { ...v1.spec, restart } };
    const done = step(dies(node(job), 0)).node;
    expect(look(done).lanes).toEqual([]);
    expect(kinds(look({ ...done, desired: assignment([{ ...job, intent: { run: true, restarts: 1 } }]) }), v1.id)).toBe(
      "start",
    );
  });

  test("[N120] a restart whose lane was cut off between its stop and its start, or before its stop, is finished", () => {
    const begun = step(node(asked(true, 1)));
    const before: ModelNode = { ...begun.node, observed: node(v1).observed };
    expect(kinds(look(before), v1.id)).toBe("stop start");
    const between = change(before, "shop-web-1", (own) => exited(own, before, 143));
    expect(kinds(look(between), v1.id)).toBe("start");
    expect(look(between).events).toEqual([]);
  });

  test("[N120] without a memory nobody knows what was carried out: nothing that runs is restarted", () => {
    expect(look({ ...node(asked(true, 7)), memory: NO_MEMORY }).lanes).toEqual([]);
  });

  test("[N119] one that is on trial and stopped makes no progress towards its gate", () => {
    const trial = inTrial();
    const off = step({ ...trial, desired: assignment([{ ...v2(), intent: { run: false, restarts: 0 } }]) }).node;
    const later = look({ ...off, now: off.now + DEADLINE_MS * 2 });
    expect(statusOf(later, v1)).toMatchObject({ state: { kind: "stopped" }, gate: { kind: "open", waits: "other" } });
  });
});

describe("a lost ledger", () => {
  test("[N121] names and labels suffice in the middle of a change-over: nothing healthy is restarted, and the kept one is still the way back", () => {
    const trial: ModelNode = { ...inTrial(), memory: NO_MEMORY };
    expect(look(trial).lanes).toEqual([]);
    const adopted = step(trial).node;
    const { node, plan: rest } = settle(dies(adopted, 1), 10, { link: CONNECTED });
    expect(standing(node)).toEqual(["shop-web-1 a1 running"]);
    expect(statusOf(rest, v1)).toMatchObject({ restarts: 0, gate: { kind: "failed", reverted: true } });
  });

  test("[N201] one that stands without a kept one has passed: an end that happened meanwhile is healed, and nothing goes back", () => {
    const passed = step({ ...inTrial(), now: 1_000_000 + MONITOR_MS }).node;
    const later = dies({ ...step({ ...passed, now: passed.now + MONITOR_MS }).node, memory: NO_MEMORY }, 137);
    expect(standing(later)).toEqual(["shop-web-1 b2 exited"]);
    const found = look(later, { unbrokenSinceMs: 0 });
    expect(statusOf(found, v1)).toMatchObject({ revision: 2, gate: { kind: "passed" } });
    expect(eventKinds(found.events)).not.toContain("gate-failed");
    const { node } = settle(later, 10, { link: CONNECTED });
    expect(standing(node)).toEqual(["shop-web-1 b2 running"]);
  });

  test("[N201] what never ran has not passed, kept one or not", () => {
    const made = container(v2(), { id: "c2", status: "created", details: { ranMs: null } });
    const node: ModelNode = { ...changing(v2(), [made]), memory: NO_MEMORY };
    expect(statusOf(look(node), v1).gate).toMatchObject({ kind: "open" });
  });
});
