// What the plan does, rule by rule, on small examples. The laws that hold for every input are in plan.laws.test.ts.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { Dependency, Restart } from "@skerry/shared/model/container.ts";
import { describe, expect, test } from "vitest";
import {
  assignment,
  BOOT,
  container,
  context,
  exited,
  hashOf,
  kinds,
  type MemoryMap,
  type ModelNode,
  memoryAfter,
  NO_MEMORY,
  network,
  observed,
  passedMemory,
  round,
  settle,
  started,
  statusOf,
  tombstone,
  volume,
  workload,
} from "../../../test/unit/agent/scenario.ts";
import type { Lane } from "./action.ts";
import { expectedLimits } from "./compare.ts";
import { initialLinkState } from "./link-state.ts";
import type { Observed, OwnContainer } from "./observed.ts";
import type { PlanContext } from "./plan/scene.ts";
import { plan } from "./plan.ts";
import { freshMemory } from "./remember.ts";

const web = workload("web");
const only = assignment([web]);

function node(own: readonly OwnContainer[], options: Partial<ModelNode> = {}, seen: Partial<Observed> = {}): ModelNode {
  const desired = options.desired === undefined ? only : options.desired;
  const base = observed(desired?.workloads ?? [], own, seen);
  return { desired, observed: base, memory: NO_MEMORY, now: 1_000_000, count: 1, ...options };
}

const look = ({ desired, observed: seen, memory, now }: ModelNode, options: Partial<PlanContext> = {}) =>
  plan(desired, seen, memory, context(options), now);

const depends = (service: string, condition: Dependency["condition"], restart = false): Dependency => ({
  // A test's own names.
  service: service as Dependency["service"],
  condition,
  restart,
  required: true,
});

const restartOf = (policy: Restart["policy"], maxAttempts: number | null = null): Restart => ({
  policy,
  maxAttempts,
  delayMs: null,
  windowMs: null,
});

/** The container of `of`, ended just now after `ranMs`. */
function ended(of: typeof web, exitCode: number, ranMs: number, startedAt = "s1"): OwnContainer {
  return exited(container(of, { details: { startedAt } }), { now: 1_000_000 }, exitCode, ranMs);
}

const LONG_MS = 600_000;
const SHORT_MS = 500;

describe("what is there", () => {
  test("[N10] without an assignment nothing is done, and what stands is shown", () => {
    const found = look(node([container(web)], { desired: null }));
    expect(found.lanes).toEqual([]);
    expect(statusOf(found, web)).toMatchObject({ state: { kind: "running" }, specHash: web.specHash });
  });

  test("[N11] a container of the wanted spec hash is left alone, whatever its revision", () => {
    const newer = assignment([{ ...web, revision: 7 }]);
    const found = look(node([container(web)], { desired: newer, memory: passedMemory(web) }));
    expect(found).toMatchObject({ lanes: [], memory: [], events: [], wakeAtMs: null });
    expect(statusOf(found, web)).toMatchObject({ revision: 7, state: { kind: "running", health: "none" } });
  });

  test("[N12] only a tombstone removes: what is neither wanted nor retired runs on and is reported", () => {
    const stray = workload("stray");
    const kept = look(node([container(web), container(stray)]));
    expect(kept.lanes).toEqual([]);
    expect(kept.conditions).toMatchObject([{ kind: "unexplained-container" }]);
    expect(kept.conditions[0]?.message).toContain("shop-stray-1");
    expect(statusOf(kept, stray).state.kind).toBe("running");
    const retired = look(
      node([container(web), container(stray)], { desired: { ...only, retired: [tombstone(stray.id)] } }),
    );
    expect(kinds(retired, stray.id)).toBe("stop remove");
    expect(statusOf(retired, stray).state.kind).toBe("stopping");
  });

  test("[N12] a tombstone does not touch a workload that is wanted too", () => {
    expect(look(node([container(web)], { desired: { ...only, retired: [tombstone(web.id)] } })).lanes).toEqual([]);
  });

  test("[N13] another spec hash is replaced in one lane: stop, remove, create, start", () => {
    const old = container({ ...web, specHash: hashOf("0d") });
    const found = look(node([old]));
    expect(kinds(found, web.id)).toBe("stop remove create start");
    const { node: after } = settle(node([old]), 5);
    expect(after.observed.own).toMatchObject([{ specHash: web.specHash, summary: { status: "running" } }]);
  });

  test("[N14] of several containers of one workload the best stays and the others go, each in a lane of its own", () => {
    const keep = container(web, { id: "b" });
    const twin = container(web, { id: "c" });
    const old = container({ ...web, specHash: hashOf("0d") }, { id: "a", summary: { name: "other" } });
    const found = look(node([old, keep, twin]));
    expect(found.lanes.map(({ key }) => key)).toEqual(["extra:c", "extra:a"]);
    expect(kinds(found, "extra:c")).toBe("stop remove");
  });

  test("[N15] a container that a crash left half made is finished", () => {
    expect(kinds(look(node([container(web, { status: "created" })])), web.id)).toBe("start");
    const bare = container(web, { status: "created", summary: { networks: [] } });
    expect(kinds(look(node([bare])), web.id)).toBe("connect start");
  });
});

describe("images", () => {
  const old = container({ ...web, specHash: hashOf("0d") });
  const missing = { images: new Map([[web.spec.image, null]]) };

  test("[N16] the image is pulled while the old container runs; nothing stops before everything is there", () => {
    const found = look(node([old], {}, missing));
    expect(found.lanes).toMatchObject([{ key: "image:web:1 ", actions: [{ kind: "pull-image" }] }]);
    expect(statusOf(found, web)).toMatchObject({ state: { kind: "running" }, specHash: hashOf("0d") });
    expect(statusOf(look(node([], {}, missing)), web)).toMatchObject({ state: { kind: "pulling" }, specHash: null });
    const noNetwork = look(node([old], {}, { networks: new Map() }));
    expect(noNetwork.lanes).toMatchObject([{ key: "network:shop_default" }]);
  });

  test("[N17] an image that is there is not asked for; pull_policy always asks once per spec hash, never not at all", () => {
    const always = workload("web", { spec: { pullPolicy: "always" } });
    const first = round(node([], { desired: assignment([always]) }));
    expect(first.plan.lanes.map(({ key }) => key)).toEqual(["image:web:1 "]);
    const second = round(first.node);
    expect(kinds(second.plan, web.id)).toBe("create start");
    const gone = look({ ...second.node, observed: observed([always], []) });
    expect(kinds(gone, web.id)).toBe("create start");
    const never = workload("web", { spec: { pullPolicy: "never" } });
    const refused = look(node([], { desired: assignment([never]) }, missing));
    expect(refused.lanes).toEqual([]);
    expect(statusOf(refused, web).state).toMatchObject({ kind: "waiting", reason: expect.stringContaining("never") });
  });

  test("[N18] one pull serves all copies, and its failure holds all of them back", () => {
    const two = assignment([workload("web", { slot: "1" }), workload("web", { slot: "2" })]);
    const fails = round(node([], { desired: two }, missing), {}, () => ({
      ok: false,
      kind: "retry",
      message: "no route",
    }));
    expect(fails.plan.lanes).toHaveLength(1);
    const after = look(fails.node);
    expect(after.lanes).toEqual([]);
    expect(after.statuses.map(({ state }) => state)).toMatchObject([
      { kind: "backing-off", during: "pull", reason: "could not pull web:1: no route" },
      { kind: "backing-off", during: "pull" },
    ]);
  });

  test("[N18] an image that came another way ends the wait for its pull", () => {
    const fails = round(node([], {}, missing), {}, () => ({ ok: false, kind: "retry", message: "no route" }));
    expect(kinds(look({ ...fails.node, observed: observed([web], []) }), web.id)).toBe("create start");
  });

  test("[N19] while its successor cannot be made, the old container is still restarted", () => {
    const dead = exited(old, { now: 999_000 }, 137, LONG_MS);
    const found = look(node([dead], {}, missing));
    expect(found.lanes.map(({ key }) => key)).toEqual(["image:web:1 ", `old:${old.summary.id}`]);
    const loops = look(node([exited(old, { now: 999_000 }, 1, SHORT_MS)], {}, missing));
    expect(loops.lanes.map(({ key }) => key)).toEqual(["image:web:1 "]);
    expect(loops.wakeAtMs).toBe(999_000 + 30_000);
  });
});

describe("depends_on", () => {
  const db = workload("db", { spec: { healthcheck: null } });
  const app = workload("app", { spec: { dependsOn: [depends("db", "service_healthy")] } });
  const both = assignment([db, app]);
  const dbHealth = (health: "starting" | "healthy" | "unhealthy"): OwnContainer =>
    container(db, { summary: { health } });

  test("[N20] a first start waits for its conditions, and says for what", () => {
    const nothing = look(node([], { desired: both }));
    expect(nothing.lanes.map(({ key }) => key)).toEqual([db.id]);
    expect(statusOf(nothing, app).state).toEqual({
      kind: "waiting",
      reason: "waits for db to start and to be healthy",
    });
    const starting = look(node([dbHealth("starting")], { desired: both }));
    expect(starting.lanes).toEqual([]);
    expect(statusOf(starting, app).state).toMatchObject({ reason: "waits for db to be healthy (it is starting)" });
    expect(kinds(look(node([dbHealth("healthy")], { desired: both })), app.id)).toBe("create start");
  });

  test("[N20] probes of ours are waited for like a health check: by a first start until it is ready", () => {
    const answered = (ready: boolean, startupDone: boolean): Parameters<typeof look>[1] => ({
      readiness: new Map([[db.id, { ready, startupDone, alive: true, reason: "", answers: [] }]]),
    });
    const running = node([container(db)], { desired: both });
    const unready = look(running, answered(false, true));
    expect(unready.lanes).toEqual([]);
    expect(statusOf(unready, app).state).toEqual({ kind: "waiting", reason: "waits for db to be ready" });
    expect(kinds(look(running, answered(true, true)), app.id)).toBe("create start");
    const appEnded = node([container(db), ended(app, 137, LONG_MS)], { desired: both });
    expect(statusOf(look(appEnded, answered(false, false)), app).state.kind).toBe("waiting");
    expect(statusOf(look(appEnded, answered(false, true)), app).state.kind).not.toBe("waiting");
  });

  test("[N20] one that is being restarted is not waited out by a check that passes in its last seconds", () => {
    const restarting: Lane = {
      key: db.id,
      actions: [
        { kind: "stop-container", workload: db.id, containerId: "c-db", graceMs: null, reason: "unhealthy" },
        { kind: "start-container", workload: db.id, containerId: "c-db" },
      ],
    };
    const seen = look(node([dbHealth("healthy")], { desired: both }), { busy: new Map([[db.id, restarting]]) });
    expect(seen.lanes).toEqual([]);
    expect(statusOf(seen, app).state).toEqual({ kind: "waiting", reason: "waits for db to be restarted" });
  });

  test("[N20] service_completed_successfully waits for exit 0 and names a failure", () => {
    const job = workload("job", { spec: { restart: restartOf("no") } });
    const after = workload("app", { spec: { dependsOn: [depends("job", "service_completed_successfully")] } });
    const desired = assignment([job, after]);
    expect(kinds(look(node([ended(job, 0, SHORT_MS)], { desired })), after.id)).toBe("create start");
    const failed = look(node([ended(job, 3, SHORT_MS)], { desired }));
    expect(statusOf(failed, after).state).toMatchObject({
      kind: "waiting",
      reason: expect.stringContaining("needs job to complete, but it failed"),
    });
  });

  test("[N21] a dependency that is not assigned to this node is no obstacle", () => {
    expect(kinds(look(node([], { desired: assignment([app]) })), app.id)).toBe("create start");
  });

  test("[N22] what has run before is held back by a dependency that comes up, never by one that fails", () => {
    const appEnded = ended(app, 137, LONG_MS);
    const afterReboot = look(node([ended(db, 137, LONG_MS), appEnded], { desired: both }));
    expect(afterReboot.lanes.map(({ key }) => key)).toEqual([db.id]);
    const memory: MemoryMap = new Map([
      [db.id, { ...freshMemory(db.specHash), failures: 3, nextTry: { bootId: BOOT, atMs: 2_000_000, delayMs: 1e6 } }],
    ]);
    const failing = look(node([ended(db, 1, SHORT_MS), appEnded], { desired: both, memory }));
    expect(failing.lanes.map(({ key }) => key)).toEqual([app.id]);
  });

  test("[N22] what has run before is not held back by a dependency that is fenced or cannot be started", () => {
    const appEnded = ended(app, 137, LONG_MS);
    const fencedDb = { ...db, disconnect: { policy: "fence", afterMs: 10_000 } } as const;
    const fenced = look(node([ended(db, 137, LONG_MS), appEnded], { desired: assignment([fencedDb, app]) }));
    expect(fenced.lanes.map(({ key }) => key)).toEqual([app.id]);
    const spec = { ports: [{ hostPort: 80, containerPort: 80, protocol: "tcp", hostIp: "" } as const] };
    const blockedDb = workload("db", { spec });
    const ports = [{ port: 80, protocol: "tcp", hostIp: "", container: "nginx", managed: false } as const];
    const at = node([ended(blockedDb, 137, LONG_MS), appEnded], { desired: assignment([blockedDb, app]) }, { ports });
    expect(look(at).lanes.map(({ key }) => key)).toEqual([app.id]);
  });

  test("[N23] restart: true stops before its dependency is replaced and starts after it", () => {
    const follower = workload("app", { spec: { dependsOn: [depends("db", "service_started", true)] } });
    const desired = assignment([db, follower]);
    const oldDb = container({ ...db, specHash: hashOf("0d") });
    const first = round(node([oldDb, container(follower)], { desired }));
    expect(first.plan.lanes.map(({ key }) => key)).toEqual([follower.id]);
    expect(kinds(first.plan, follower.id)).toBe("stop");
    const second = round(first.node);
    expect(second.plan.lanes.map(({ key }) => key)).toEqual([db.id]);
    const third = round(second.node);
    expect(kinds(third.plan, follower.id)).toBe("start");
    expect(third.plan.events).toEqual([]);
  });

  describe("an operator's restart of a dependency", () => {
    const follower = workload("app", { spec: { dependsOn: [depends("db", "service_started", true)] } });
    const bystander = workload("web", { spec: { dependsOn: [depends("db", "service_started")] } });
    const asked = (one: Workload): Workload => ({ ...one, intent: { run: true, restarts: 1 } });
    const own = [container(db), container(follower), container(bystander)];
    const carriedOut: MemoryMap = new Map(
      [db, follower, bystander].map((one) => [one.id, { ...freshMemory(one.specHash), restartsDone: 0 }]),
    );
    const withAsked = (...wanted: readonly Workload[]): ModelNode =>
      node(own, { desired: assignment(wanted), memory: carriedOut });

    test("[N198] its dependents with restart: true stop first and start after it, the others run on", () => {
      const first = round(withAsked(asked(db), follower, bystander));
      expect(first.plan.lanes.map(({ key }) => key)).toEqual([follower.id]);
      expect(kinds(first.plan, follower.id)).toBe("stop");
      expect(statusOf(first.plan, db).state).toMatchObject({ reason: `waits for ${follower.id} to stop first` });
      const second = round(first.node);
      expect(second.plan.lanes.map(({ key }) => key)).toEqual([db.id]);
      expect(kinds(second.plan, db.id)).toBe("stop start");
      const third = round(second.node);
      expect(third.plan.lanes.map(({ key }) => key)).toEqual([follower.id]);
      expect(kinds(third.plan, follower.id)).toBe("start");
      expect(look(third.node)).toMatchObject({ lanes: [], events: [] });
    });

    test("[N198] while it is being restarted they stay down, and start once it runs", () => {
      const first = round(withAsked(asked(db), follower, bystander));
      const lane = round(first.node).plan.lanes.find(({ key }) => key === db.id);
      expect(lane).toBeDefined();
      const seen = look(first.node, { busy: new Map(lane === undefined ? [] : [[db.id, lane]]) });
      expect(seen.lanes).toEqual([]);
      expect(statusOf(seen, follower).state).toEqual({ kind: "waiting", reason: "waits for db to be restarted" });
    });

    test("[N198] a dependent that is to be restarted as well is stopped and started once", () => {
      let at = withAsked(asked(db), asked(follower), bystander);
      const done: string[] = [];
      for (let turn = 0; turn < 6; turn += 1) {
        const next = round(at);
        done.push(...next.plan.lanes.map(({ key }) => `${key} ${kinds(next.plan, key)}`));
        at = next.node;
      }
      expect(done).toEqual([`${follower.id} stop`, `${db.id} stop start`, `${follower.id} start`]);
    });

    test("[N198] what the node restarts by itself takes no dependent along", () => {
      const unhealthy = container(db, { summary: { health: "unhealthy" } });
      const seen = round(node([unhealthy, container(follower)], { desired: assignment([db, follower]) }));
      expect(seen.plan.lanes.map(({ key }) => key)).toEqual([db.id]);
      expect(look(seen.node).lanes).toEqual([]);
    });
  });

  test("[N24] retired workloads stop in the reverse order of their starts", () => {
    const desired = assignment([], { retired: [tombstone(app.id), tombstone(db.id)] });
    const formerDependencies = new Map([[app.id, [db.service]]]);
    const first = round(node([container(db), container(app)], { desired }), { formerDependencies });
    expect(first.plan.lanes.map(({ key }) => key)).toEqual([app.id]);
    expect(round(first.node, { formerDependencies }).plan.lanes.map(({ key }) => key)).toEqual([db.id]);
  });
});

describe("restarts", () => {
  const withRestart = (restart: Restart): typeof web => workload("web", { spec: { restart } });

  test("[N25] always and unless-stopped restart after any end, on-failure after a failure, no never", () => {
    const lanesAfter = (restart: Restart, exitCode: number): string => {
      const one = withRestart(restart);
      return kinds(look(node([ended(one, exitCode, LONG_MS)], { desired: assignment([one]) })), one.id);
    };
    expect([0, 1].map((code) => lanesAfter(restartOf("always"), code))).toEqual(["start", "start"]);
    expect([0, 1].map((code) => lanesAfter(restartOf("unless-stopped"), code))).toEqual(["start", "start"]);
    expect([0, 1].map((code) => lanesAfter(restartOf("on-failure"), code))).toEqual(["", "start"]);
    expect([0, 1].map((code) => lanesAfter(restartOf("no"), code))).toEqual(["", ""]);
  });

  test("[N25] what is not restarted is completed or failed, in words", () => {
    const job = withRestart(restartOf("no"));
    const stateAfter = (exitCode: number) =>
      statusOf(look(node([ended(job, exitCode, SHORT_MS)], { desired: assignment([job]) })), job).state;
    expect(stateAfter(0)).toMatchObject({ kind: "completed", exit: { code: 0 } });
    expect(stateAfter(127)).toMatchObject({ kind: "failed", reason: expect.stringContaining("command was not found") });
  });

  test("[N25] a job that completed does not run again, not even when its container is removed", () => {
    const job = withRestart(restartOf("no"));
    const done = round(node([ended(job, 0, SHORT_MS)], { desired: assignment([job]) }));
    const removed = look({ ...done.node, observed: observed([job], []) });
    expect(removed.lanes).toEqual([]);
    expect(statusOf(removed, job).state.kind).toBe("completed");
  });

  test("[N26] on-failure gives up after its tries, says so once, and stays so", () => {
    const one = withRestart(restartOf("on-failure", 2));
    let at = node([ended(one, 1, SHORT_MS)], { desired: assignment([one]) });
    const reasons: string[] = [];
    for (let turn = 0; turn < 12; turn += 1) {
      const next = round(at);
      for (const event of next.plan.events) if (event.kind === "workload-failed") reasons.push(event.reason);
      const own = next.node.observed.own.map((each) => exited(each, next.node, 1, SHORT_MS));
      at = { ...next.node, observed: { ...next.node.observed, own } };
    }
    expect(reasons).toEqual(["gave up after 2 restarts: ended with an error (exit 1)"]);
    expect(look(at)).toMatchObject({ lanes: [], statuses: [{ state: { kind: "failed" }, restarts: 2 }] });
  });

  test("[N27] the first end is healed at once; then waits double from 1 s to 5 min with jitter, and a stable run resets them", () => {
    let at = node([ended(web, 1, LONG_MS)]);
    const delays: number[] = [];
    for (let turn = 0; turn < 12; turn += 1) {
      const found = look(at);
      const state = statusOf(found, web).state;
      delays.push(state.kind === "backing-off" ? state.nextTryInMs : 0);
      const memory = memoryAfter(at.memory, found.memory);
      const own = [ended(web, 1, SHORT_MS, `s${turn + 2}`)];
      at = { ...at, memory, observed: observed([web], own), now: found.wakeAtMs ?? at.now };
    }
    expect(delays[0]).toBe(0);
    for (const [index, delay] of delays.slice(1).entries()) {
      const ceiling = Math.min(300_000, 1_000 * 2 ** index);
      expect(delay).toBeGreaterThanOrEqual(ceiling / 2);
      expect(delay).toBeLessThanOrEqual(ceiling);
    }
    const again = look({ ...at, observed: observed([web], [ended(web, 1, LONG_MS, "later")]) });
    expect(kinds(again, web.id)).toBe("start");
  });

  test("[N27] a restart's delay and window in the file are kept to", () => {
    const one = withRestart({ ...restartOf("always"), delayMs: 5_000, windowMs: 100 });
    const found = look(node([ended(one, 1, SHORT_MS)], { desired: assignment([one]) }));
    expect(statusOf(found, one).state).toMatchObject({ kind: "backing-off", nextTryInMs: 5_000 });
  });

  test("[N27] after a stable run the count is forgotten, with one write and then none", () => {
    const crashed = round(node([ended(web, 1, SHORT_MS)], { memory: passedMemory(web) }));
    const up = { ...crashed.node, now: crashed.node.now + 59_000 };
    expect(look(up)).toMatchObject({ memory: [], wakeAtMs: 1_000_000 + 60_000 });
    const stable = round({ ...up, now: 1_060_000 });
    expect(stable.plan.memory).toMatchObject([{ memory: { failures: 0, nextTry: null } }]);
    expect(look(stable.node)).toMatchObject({ memory: [], lanes: [], wakeAtMs: null });
  });

  test("[N28] a wait goes on after an agent restart, and is waited anew after a reboot", () => {
    const memory: MemoryMap = new Map([
      [
        web.id,
        {
          ...freshMemory(web.specHash),
          failures: 4,
          during: "run",
          countedExit: `c-${web.id} s1`,
          nextTry: { bootId: BOOT, atMs: 1_003_000, delayMs: 8_000 },
        },
      ],
    ]);
    const at = node([ended(web, 1, SHORT_MS)], { memory });
    expect(look(at)).toMatchObject({ lanes: [], memory: [], wakeAtMs: 1_003_000 });
    const rebooted = look({ ...at, now: 50 }, { bootId: "boot-2" });
    expect(rebooted.wakeAtMs).toBe(8_050);
    expect(rebooted.memory).toMatchObject([{ memory: { nextTry: { bootId: "boot-2", atMs: 8_050 } } }]);
  });

  test("[N29] each end is counted once, however often it is seen", () => {
    const first = round(node([ended(web, 1, SHORT_MS)]), {}, () => ({ ok: false, kind: "unreachable", message: "" }));
    expect(first.plan.events).toMatchObject([{ kind: "container-exited", exit: { code: 1 } }]);
    const second = look(first.node);
    expect(second.events).toEqual([]);
    expect(second.memory).toEqual([]);
    expect(kinds(second, web.id)).toBe("start");
  });

  test("[N30] an unhealthy container is restarted, counted once per run, with back-off from the second time", () => {
    const sick = container(web, { summary: { health: "unhealthy" }, details: { healthOutput: "503" } });
    const first = round(node([sick]));
    expect(kinds(first.plan, web.id)).toBe("stop start");
    expect(first.plan.events).toMatchObject([{ kind: "container-unhealthy", output: "503" }]);
    const again = first.node.observed.own.map((own) => ({
      ...own,
      summary: { ...own.summary, health: "unhealthy" as const },
      details: { ...own.details, health: "unhealthy" as const },
    }));
    const second = look({ ...first.node, observed: observed([web], again) });
    expect(second.lanes).toEqual([]);
    expect(second.events.map(({ kind }) => kind)).toEqual(["container-unhealthy", "backing-off"]);
    expect(statusOf(second, web).state).toEqual({ kind: "running", health: "unhealthy" });
    expect(second.wakeAtMs).toBeGreaterThan(first.node.now);
  });

  test("[N31] what the engine refuses as invalid is failed, and tried again only every five minutes", () => {
    const refuse = () => ({ ok: false, kind: "invalid", message: "bad mount" }) as const;
    const first = round(node([]), {}, refuse);
    const failed = look(first.node);
    expect(statusOf(failed, web).state).toMatchObject({ kind: "failed", reason: "the engine refuses it: bad mount" });
    expect(failed.lanes).toEqual([]);
    expect(failed.wakeAtMs).toBe(1_000_000 + 300_000);
    expect(kinds(look({ ...first.node, now: 1_300_000 }), web.id)).toBe("create start");
  });

  test("[N32] a container that cannot start because something it was made with is gone is made anew", () => {
    const at = node([ended(web, 137, LONG_MS)]);
    const lost = round(at, {}, () => ({ ok: false, kind: "not-found", message: "network 123 not found" }));
    expect(kinds(lost.plan, web.id)).toBe("start");
    expect(kinds(look({ ...lost.node, now: lost.node.now + 5_000 }), web.id)).toBe("remove create start");
  });
});

describe("drift", () => {
  test("[N33] [N136] renamed, detached, nameless, paused, edited and removed containers are repaired, and it is told", () => {
    const repaired = (own: OwnContainer): [string, string] => {
      const found = look(node([own]));
      const drift = found.events.find(({ kind }) => kind === "drift");
      return [kinds(found, web.id), drift?.kind === "drift" ? drift.what : ""];
    };
    expect(repaired(container(web, { summary: { name: "mine" } }))).toEqual(["rename", "it was renamed to mine"]);
    expect(repaired(container(web, { summary: { networks: [] } }))).toEqual([
      "connect",
      "it was detached from network shop_default",
    ]);
    expect(repaired(container(web, { details: { aliases: { shop_default: ["other"] } } }))).toEqual([
      "change-aliases",
      "it had lost its aliases on network shop_default",
    ]);
    expect(repaired(container(web, { status: "paused" }))).toEqual(["stop start", "it was paused"]);
    const limits = { ...expectedLimits(web.spec), memoryBytes: 4_096 };
    expect(repaired(container(web, { details: { limits } }))).toEqual([
      "stop remove create start",
      "limits were edited (memory=4096)",
    ]);
    const removed = look(node([], {}, { vanished: [{ id: "x", workload: web.id }] }));
    expect(removed.events).toMatchObject([{ kind: "drift", what: "its container was removed" }]);
    expect(kinds(removed, web.id)).toBe("create start");
  });

  test("[N33] two containers that were given each other's names get their own back", () => {
    const db = workload("db");
    const crossed = [
      container(web, { id: "c1", summary: { name: "shop-db-1" } }),
      container(db, { id: "c2", summary: { name: "shop-web-1" } }),
    ];
    const { node: after } = settle(node(crossed, { desired: assignment([web, db]) }), 5);
    expect(after.observed.own.map(({ summary }) => summary.name)).toEqual(["shop-web-1", "shop-db-1"]);
  });

  test("[N34] an engine that never shows the limits that were asked for does not make a loop", () => {
    let at = node([container(web)]);
    let made = 0;
    for (let turn = 0; turn < 50; turn += 1) {
      const own = at.observed.own.map((each) => ({
        ...each,
        details: { ...each.details, limits: { ...each.details.limits, memoryBytes: 1 } },
      }));
      const next = round({ ...at, observed: { ...at.observed, own }, now: at.now + 100 });
      made += next.plan.lanes.length;
      at = { ...next.node, now: at.now + 200 };
    }
    expect(made).toBeGreaterThan(1);
    expect(made).toBeLessThan(7);
  });

  test("[N35] a taken name or port is named and waited for, and its holder is left alone", () => {
    const name = look(node([], {}, { foreignNames: new Map([["shop-web-1", { id: "f", reason: "foreign" }]]) }));
    expect(name.lanes).toEqual([]);
    expect(statusOf(name, web).state).toMatchObject({
      kind: "waiting",
      reason: expect.stringContaining("shop-web-1 is taken by a container that Skerry did not make"),
    });
    const published = workload("web", {
      spec: { ports: [{ hostPort: 80, containerPort: 8080, protocol: "tcp", hostIp: "" }] },
    });
    const ports = [{ port: 80, protocol: "tcp", hostIp: "127.0.0.1", container: "nginx", managed: false } as const];
    const port = look(node([], { desired: assignment([published]) }, { ports }));
    expect(port.lanes).toEqual([]);
    expect(statusOf(port, web).state).toMatchObject({
      reason: expect.stringContaining("port 80/tcp is taken by container nginx"),
    });
  });

  test("[N35] workloads that exchange their ports do not wait for each other", () => {
    const publishing = (service: string, hostPort: number, hash: string) =>
      workload(service, { hash, spec: { ports: [{ hostPort, containerPort: 80, protocol: "tcp", hostIp: "" }] } });
    const [a, b] = [publishing("a", 1, "b2"), publishing("b", 2, "b2")];
    const own = [container(publishing("a", 2, "a1"), { id: "1" }), container(publishing("b", 1, "a1"), { id: "2" })];
    const ports = [
      { port: 2, protocol: "tcp", hostIp: "", container: "shop-a-1", managed: true } as const,
      { port: 1, protocol: "tcp", hostIp: "", container: "shop-b-1", managed: true } as const,
    ];
    const both = look(node(own, { desired: assignment([a, b]) }, { ports }));
    expect(both.lanes.map(({ key }) => key)).toEqual([a.id, b.id]);
    const images = new Map([
      ["a:1", "there"],
      ["b:1", null],
    ]);
    const one = look(node(own, { desired: assignment([a, b]) }, { ports, images }));
    expect(one.lanes.map(({ key }) => key)).toEqual(["image:b:1 "]);
    expect(statusOf(one, a).state).toMatchObject({ reason: "port 1/tcp is taken by container shop-b-1" });
  });

  test("[N35] forged labels are reported", () => {
    const found = look(
      node([container(web)], {}, { foreignNames: new Map([["fake", { id: "f", reason: "forged" }]]) }),
    );
    expect(found.conditions).toMatchObject([{ kind: "foreign-label", message: expect.stringContaining("fake") }]);
  });
});

describe("networks and volumes", () => {
  test("[N36] missing ones are made first, external ones are waited for, foreign ones are left alone", () => {
    const mounts = [
      { kind: "volume", source: "shop_data", target: "/d", readOnly: false, noCopy: false, subpath: null } as const,
    ];
    const one = workload("web", { spec: { mounts } });
    const apps = [{ name: one.app, networks: [network("shop_default")], volumes: [volume("shop_data")] }];
    const desired = assignment([one], { apps });
    const first = round(node([], { desired }, { networks: new Map() }));
    expect(first.plan.lanes.map(({ key }) => key)).toEqual(["network:shop_default", "volume:shop_data"]);
    expect(kinds(round(first.node).plan, one.id)).toBe("create start");
    const external = assignment([web], {
      apps: [{ name: web.app, networks: [network("shop_default", { external: true })], volumes: [] }],
    });
    const waits = look(node([], { desired: external }, { networks: new Map() }));
    expect(waits.lanes).toEqual([]);
    expect(statusOf(waits, web).state).toMatchObject({
      reason: expect.stringContaining("does not exist on this node"),
    });
    const foreign = look(node([], {}, { networks: new Map([["shop_default", { id: "f", ours: false }]]) }));
    expect(foreign.lanes).toEqual([]);
    expect(statusOf(foreign, web).state).toMatchObject({ reason: expect.stringContaining("Skerry did not make") });
  });

  test("[N37] a network of ours that nothing needs is removed; others' and used ones stay", () => {
    const stray = workload("stray", { app: "old" });
    const networks = new Map([
      ["shop_default", { id: "1", ours: true }],
      ["gone_default", { id: "2", ours: true }],
      ["old_default", { id: "3", ours: true }],
      ["bridge", { id: "4", ours: false }],
    ]);
    const found = look(node([container(web), container(stray)], {}, { networks }));
    expect(found.lanes).toMatchObject([
      { key: "network:gone_default", actions: [{ kind: "remove-network", id: "2" }] },
    ]);
  });
});

describe("fence", () => {
  const fenced = workload("web", { disconnect: { policy: "fence", afterMs: 10_000 }, fencingToken: 3 });
  const desired = assignment([fenced]);
  const link = { ...initialLinkState(BOOT, null, 0), leaseFromMs: 995_000 };

  test("[N38] it is stopped when the last acknowledged beat was sent `after` ago, and not a moment before", () => {
    const at = node([container(fenced)], { desired });
    expect(look(at, { link })).toMatchObject({ lanes: [], wakeAtMs: 1_005_000 });
    expect(look({ ...at, now: 1_004_999 }, { link }).lanes).toEqual([]);
    const over = round({ ...at, now: 1_005_000 }, { link });
    expect(kinds(over.plan, fenced.id)).toBe("stop");
    expect(over.plan.events).toMatchObject([{ kind: "fenced", silentForMs: 10_000 }]);
    const after = look(over.node, { link });
    expect(after).toMatchObject({ lanes: [], events: [], statuses: [{ state: { kind: "fenced" } }] });
  });

  test("[N39] without a lease of this boot it is not started, and with a new one it starts at once, uncounted", () => {
    const none = look(node([], { desired }));
    expect(none).toMatchObject({ lanes: [], statuses: [{ state: { kind: "fenced" } }] });
    const stopped = round(node([container(fenced)], { desired }));
    expect(kinds(stopped.plan, fenced.id)).toBe("stop");
    const renewed = look(stopped.node, { link: { ...link, leaseFromMs: 1_000_000 } });
    expect(kinds(renewed, fenced.id)).toBe("start");
    expect(renewed.events).toEqual([]);
  });

  test("[N40] a newer fencing token needs a new container", () => {
    const found = look(node([container({ ...fenced, fencingToken: 2 })], { desired }), { link });
    expect(kinds(found, fenced.id)).toBe("stop remove create start");
  });

  test("[N38] a stop that failed is tried again within a second, whatever the lane's rest", () => {
    const rest = { sinceMs: 1_004_500, untilMs: 1_030_000, reason: "busy" };
    const resting = new Map([[fenced.id, rest]]);
    const at = node([container(fenced)], { desired, now: 1_005_000 });
    expect(look(at, { link, resting })).toMatchObject({ lanes: [], wakeAtMs: 1_005_500 });
    expect(kinds(look({ ...at, now: 1_005_500 }, { link, resting }), fenced.id)).toBe("stop");
  });
});

describe("lanes", () => {
  test("[N41] a lane in flight is left alone; one that rests is not started before its time", () => {
    const first = look(node([]));
    const lane = first.lanes[0];
    const busy = new Map(lane === undefined ? [] : [[lane.key, lane]]);
    expect(look(node([]), { busy })).toMatchObject({ lanes: [], statuses: [{ state: { kind: "starting" } }] });
    const old = container({ ...web, specHash: hashOf("0d") });
    const rest = { sinceMs: 999_000, untilMs: 1_002_000, reason: "device busy" };
    const resting = look(node([old]), { resting: new Map([[web.id, rest]]) });
    expect(resting).toMatchObject({ lanes: [], wakeAtMs: 1_002_000, statuses: [{ state: { reason: "device busy" } }] });
  });

  test("[N42] one workload's failure leaves every other's lane as it is", () => {
    const bad = workload("bad");
    const fail = { ok: false, kind: "retry", message: "no" } as const;
    const desired = assignment([bad, web]);
    const first = round(node([], { desired }), {}, (action) =>
      action.kind === "create-container" && action.workload.id === bad.id ? fail : undefined,
    );
    expect(first.plan.lanes.map(({ key }) => key)).toEqual([bad.id, web.id]);
    expect(look(first.node).statuses.map(({ state }) => state.kind)).toEqual(["backing-off", "running"]);
  });

  test("[N43] memory of what is neither wanted nor here is forgotten", () => {
    const memory: MemoryMap = new Map([...passedMemory(web), [workload("gone").id, freshMemory(web.specHash)]]);
    expect(look(node([container(web)], { memory })).memory).toEqual([{ id: workload("gone").id, memory: null }]);
    expect(look(node([], { desired: null, memory })).memory).toEqual([]);
  });

  test("[N27] a container that was started again runs under a new count", () => {
    const again = started(ended(web, 1, SHORT_MS), { now: 5, count: 9 });
    expect(look(node([again], { memory: passedMemory(web) })).memory).toEqual([]);
  });
});
