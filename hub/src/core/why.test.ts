// Every text of `skerry why`, as files in test/golden/why: Worlds built step by step, the answer as the terminal shows it at 80 columns.
// After a wanted change: vitest run -u, and read the difference.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AppSpec } from "@skerry/shared/model/app.ts";
import type { NodeId, ServiceName } from "@skerry/shared/model/ids.ts";
import type { Condition, PortInUse } from "@skerry/shared/model/node.ts";
import {
  type Exit,
  type Gate,
  PULL_FAILURES,
  type Pull,
  type PullFailure,
  type WorkloadState,
  type WorkloadStatus,
} from "@skerry/shared/model/report.ts";
import { describe, expect, test } from "vitest";
import {
  appName,
  GIB,
  nodeId,
  Scenario,
  type ServiceShape,
  status,
  workload,
} from "../../../test/unit/hub/scenario.ts";
import { whyText } from "../cli/commands/why.ts";
import { plain, wrap } from "../cli/render.ts";
import { workloadView } from "../http/views/workloads.ts";
import type { Command, CommandRefusal } from "./command.ts";
import { workloadCondition } from "./condition.ts";
import { copiesOf } from "./lookup.ts";
import type { Hold } from "./rollout/batch.ts";
import { holdText } from "./rollout/outlook.ts";
import { slotsOf } from "./rollout/slots.ts";
import type { Rollout } from "./rollout-state.ts";
import { nearestMiss, unplacedAccount } from "./why/placing.ts";
import { workloadAccount } from "./why/slot.ts";
import { type Target, why } from "./why.ts";
import type { Refusal } from "./world.ts";

const WIDTH = 80;
const GOLDEN = join(import.meta.dirname, "../../../test/golden/why");
const MB = 1_048_576;
const NO_PULL: Pull = { doneBytes: 0, totalBytes: 0, doneLayers: 0, totalLayers: 0, forMs: 0 };
const RUNNING: WorkloadState = { kind: "running", health: "none" };
const exit = (code: number, over: Partial<Exit> = {}): Exit => ({ code, oom: false, error: "", ranMs: 400, ...over });
const crashed: WorkloadState = {
  kind: "backing-off",
  during: "run",
  reason: "ended with an error (exit 3)",
  exit: exit(3),
  attempt: 4,
  nextTryInMs: 8_000,
};

/** A hub that can be asked why. */
class Asked extends Scenario {
  /** What the small builder does not have, put into every spec that is applied. */
  tweak: (spec: AppSpec) => AppSpec = (spec) => spec;

  override send(command: Command): CommandRefusal | null {
    return super.send(command.kind === "apply-app" ? { ...command, spec: this.tweak(command.spec) } : command);
  }

  /** What the terminal shows. */
  why(named: string): string {
    const answer = why(this.world, targetOf(this, named), { now: this.now, wallMs: 1_000 + this.now });
    if (answer === null) return `$ skerry why ${named}\nThere is no such thing.\n`;
    const lines = answer.lines.map((line) => ({ ...line, because: [...line.because] }));
    const shown = { ...answer, wanted: [...answer.wanted], seen: [...answer.seen], lines, target: named };
    return `$ skerry why ${named}\n${whyText({ ...shown, output: [], events: [] }, WIDTH, plain, () => 0)}`;
  }

  /** Every workload of the node as it should be, changed by `over`; and what the node says of itself. */
  say(id: NodeId, over: Readonly<Record<string, Partial<WorkloadStatus>>> = {}, node: NodeSays = {}): void {
    this.accept(id);
    const ids = [...(this.world.placementsByNode.get(id) ?? [])].sort();
    const workloads = ids.flatMap((each) => {
      const placement = this.world.placements.get(each);
      if (placement === undefined) return [];
      const { revision, specHash } = placement;
      return [{ ...status(each, RUNNING, revision, specHash), ...over[each] }];
    });
    const observed = this.ledgers.get(id)?.position ?? { epoch: 1, generation: 0 };
    const { conditions = [], ports = [] } = node;
    const report = { whole: true, observed, workloads, gone: [], facts: null, figures: null };
    const said = { ...report, conditions: [...conditions], ports: [...ports] };
    expect(this.frame(id, { type: "report", report: said })).toBeNull();
  }

  /** The gate of what is placed, as its node says it. */
  gate(id: string, gate: Gate): Pick<WorkloadStatus, "gate" | "gateFor"> {
    const placement = this.placement(id);
    if (placement === undefined) throw new Error(`${id} is not placed`);
    return { gate, gateFor: { specHash: placement.specHash, attempt: placement.step.attempt } };
  }
}

interface NodeSays {
  readonly conditions?: readonly Condition[];
  readonly ports?: readonly PortInUse[];
}

function targetOf({ world }: Scenario, named: string): Target {
  const [first = "", second, third] = named.split("/");
  const node = [...world.nodes.values()].find(({ name }) => name === first);
  if (node !== undefined) return { kind: "node", node: node.id };
  if (second === undefined) return { kind: "app", app: appName(first) };
  if (third === undefined) return { kind: "service", app: appName(first), service: second as ServiceName };
  return { kind: "workload", workload: workload(named) };
}

/** `nodes` of one site, one app, everything accepted and running. */
function shop(nodes: number, ...services: readonly ServiceShape[]): Asked {
  const s = new Asked();
  for (let count = 0; count < nodes; count += 1) s.join();
  s.applyApp("shop", ...services);
  for (const id of s.world.nodes.keys()) s.say(id);
  return s;
}

/** The same cases in one file, each under its title. */
async function golden(name: string, cases: Readonly<Record<string, string>>): Promise<void> {
  const text = Object.entries(cases)
    .map(([title, shown]) => `# ${title}\n${shown.trimEnd()}\n`)
    .join("\n");
  for (const line of text.split("\n")) expect([...line].length, line).toBeLessThanOrEqual(WIDTH);
  await expect(text).toMatchFileSnapshot(join(GOLDEN, `${name}.txt`));
}

describe("[A80] why a slot has no node", () => {
  test("no node matches, or none has room", () => {
    const none = new Asked();
    none.applyApp("shop", { name: "web" });
    const label = new Asked();
    label.join({ labels: { site: "farm" } });
    label.join();
    label.applyApp("shop", { name: "web", constraints: ["node.labels.site == shop"] });
    const memory = new Asked();
    memory.join({ facts: { memoryBytes: GIB } });
    memory.join({ facts: { memoryBytes: 2 * GIB } });
    memory.join({ facts: { memoryBytes: GIB } });
    memory.applyApp("shop", { name: "web", memoryBytes: 2 * GIB + 12 * MB });
    const port = new Asked();
    const id = port.join();
    port.say(id, {}, { ports: [foreignPort] });
    port.applyApp("shop", { name: "web", ports: [80] });
    const priority = new Asked();
    priority.join();
    priority.applyApp("bank", { name: "till", memoryBytes: GIB, priority: 10, disconnect: REPLACE });
    priority.applyApp("shop", { name: "web", memoryBytes: 512 * MB, disconnect: REPLACE });
    const pushed = new Asked();
    for (const app of ["blog", "news"]) {
      pushed.join({ labels: { first: app }, facts: { memoryBytes: GIB } });
      pushed.applyApp(app, { name: "web", memoryBytes: 600 * MB, disconnect: REPLACE });
    }
    const till = { name: "till", memoryBytes: 600 * MB, priority: 10, disconnect: REPLACE };
    pushed.applyApp("bank", { ...till, constraints: ["node.labels.first == news"] });
    return golden("placing", {
      "pushed out by a higher priority, and the others have no room either": pushed.why("news/web/1"),
      "there are no nodes": none.why("shop"),
      "no node matches": label.why("shop/web/1"),
      "not enough memory": memory.why("shop/web"),
      "the port is taken by a container that is not ours": port.why("shop/web/1"),
      "who comes first has the room": priority.why("shop/web/1"),
    });
  });

  test("every refusal has its words and what to do, and the nearest miss is named", () => {
    const s = new Asked();
    s.join();
    s.join();
    const [node, other] = [nodeId(1), nodeId(2)];
    const all: Record<Refusal["kind"], Refusal> = {
      pending: { node, kind: "pending" },
      frozen: { node, kind: "frozen" },
      cordoned: { node, kind: "cordoned" },
      draining: { node, kind: "draining" },
      unreachable: { node, kind: "unreachable" },
      awaited: { node, kind: "awaited" },
      "fence-wait": { node, kind: "fence-wait", untilMs: null },
      "no-facts": { node, kind: "no-facts" },
      constraint: { node, kind: "constraint", text: "node.arch == arm64", found: "amd64" },
      memory: { node, kind: "memory", needBytes: 512 * MB, freeBytes: 500 * MB },
      cpu: { node, kind: "cpu", needNanoCpus: 2e9, freeNanoCpus: 1.5e9 },
      port: { node, kind: "port", port: 80, protocol: "tcp", holder: "nginx" },
      "max-per-node": { node, kind: "max-per-node", most: 2 },
      "too-many-workloads": { node, kind: "too-many-workloads", most: 200 },
      pressure: { node, kind: "pressure", condition: "its disk is nearly full" },
      policy: {
        ...{ node, kind: "policy" },
        text: "`devices` asks for /dev/ttyUSB0, which the profile restricted does not allow here; policy serial allows it on nodes with gpio=yes",
      },
    };
    const told = (refusals: readonly Refusal[]): string => {
      const slot = { app: appName("shop"), service: "web" as ServiceName, slot: "1" as never, revision: 1, refusals };
      const { reason, hint } = unplacedAccount(s.world, slot);
      return `${wrap("", reason, WIDTH, "  ")}\n${wrap("  → ", String(hint), WIDTH, "    ")}`;
    };
    const far: Refusal = { node: other, kind: "constraint", text: "node.labels.site == shop", found: null };
    const cases = Object.entries(all).map(([kind, refusal]) => [kind, told([far, refusal])]);
    for (const refusal of Object.values(all)) expect(nearestMiss([far, refusal])).toBe(refusal);
    const short: Refusal = { node: other, kind: "memory", needBytes: 512 * MB, freeBytes: 380 * MB };
    expect(told([short, all.memory])).toContain("at most 500 MB free; closest: pi-1, 12 MB short");
    return golden("refusals", Object.fromEntries(cases));
  });
});

const REPLACE = { policy: "replace", afterMs: 30_000 } as const;
const foreignPort = { port: 80, protocol: "tcp", hostIp: "", container: "nginx", managed: false } as const;

describe("[A81] why a workload is as its node says", () => {
  test("every state", () => {
    const all: Record<WorkloadState["kind"], WorkloadState> = {
      waiting: { kind: "waiting", reason: "waits for its network shop_default" },
      pulling: { kind: "pulling", doneBytes: 12 * MB, totalBytes: 40 * MB, doneLayers: 2, totalLayers: 5 },
      starting: { kind: "starting" },
      running: { kind: "running", health: "healthy" },
      "backing-off": crashed,
      completed: { kind: "completed", exit: exit(0) },
      failed: { kind: "failed", reason: "the engine refuses it: no such device", exit: null },
      stopped: { kind: "stopped" },
      fenced: { kind: "fenced" },
      stopping: { kind: "stopping" },
    };
    const cases = Object.entries(all).map(([kind, state]) => {
      const s = shop(1, { name: "web" });
      s.say(nodeId(1), { "shop/web/1": { state, forMs: 10_000 } });
      return [kind, s.why("shop/web/1")];
    });
    return golden("states", Object.fromEntries(cases));
  });

  test("[A88] images that do not come", () => {
    const registry = "r.test/web:1";
    const words: Record<PullFailure, string> = {
      "not-found": `the registry has no such image or tag: correct the name, or push it (engine: manifest for ${registry} not found: manifest unknown)`,
      unauthorised:
        "registry r.test does not give it out and was shown no credential: it needs one, or has no such image (engine: unauthorized: authentication required)",
      "wrong-architecture":
        "the image is not made for linux/arm64, which this node is (engine: no matching manifest for linux/arm64 in the manifest list entries)",
      "too-big":
        "web:1 does not fit: 300 MB to fetch need about 900 MB on the engine's disk, where 412 MB of 29 GB are free",
      "disk-full": "this node's disk is full: free some space (engine: write /layer.tar: no space left on device)",
      untrusted: "the registry's certificate is not trusted on this node (or its clock is wrong)",
      "too-many-requests": "the registry has had too many requests from here: it is tried again later",
      unreachable: "this node cannot find r.test: check the name, and the node's link and name service",
      other: "unexpected commit digest",
    };
    const failing = (pullFailure: PullFailure): string => {
      const s = shop(1, { name: "web" });
      const reason = `could not pull ${registry}: ${words[pullFailure]}`;
      const state = {
        kind: "backing-off",
        during: "pull",
        reason,
        exit: null,
        attempt: 2,
        nextTryInMs: 9_000,
      } as const;
      s.say(nodeId(1), { "shop/web/1": { state, pullFailure, specHash: null } });
      const view = workloadView(s.world, workload("shop/web/1"), s.now);
      expect(view).toMatchObject({ pullFailure, reason: expect.stringContaining(reason), hint: expect.anything() });
      return s.why("shop/web/1");
    };
    return golden("images", Object.fromEntries(PULL_FAILURES.map((kind) => [kind, failing(kind)])));
  });

  test("[C279] what to do about a refused pull depends on whether a credential is for the app", () => {
    const s = shop(1, { name: "web", image: "r.test:5000/web:1" });
    const state = {
      kind: "backing-off",
      during: "pull",
      reason: "refused",
      exit: null,
      attempt: 2,
      nextTryInMs: 9,
    } as const;
    s.say(nodeId(1), { "shop/web/1": { state, pullFailure: "unauthorised", specHash: null } });
    const hint = () => workloadView(s.world, workload("shop/web/1"), s.now)?.hint;
    expect(hint()).toBe(
      "Check the image's name. If it is private, give the app a credential: skerry registry login r.test:5000 --user USER --app shop",
    );
    const versions = [{ version: "a".repeat(32), bytes: 1, madeAtMs: 0, madeBy: "admin" }];
    const value = { kind: "registry", app: null, name: "r.test:5000", apps: [appName("other")], versions } as const;
    s.apply([{ kind: "value-set", value, sealed: null }]);
    expect(hint()).toContain("--app shop");
    s.apply([{ kind: "value-set", value: { ...value, apps: [appName("shop")] }, sealed: null }]);
    expect(hint()).toBe(
      "Check the image's name. If the password was changed or has ended, set the new one: skerry registry login r.test:5000 --user USER",
    );
  });

  test("[A89] how far a pull has come: bytes, layers, rate, and when nothing comes", () => {
    const said = (pull: Partial<Pull>, later = 0, pullFailure: PullFailure | null = null): string => {
      const s = shop(1, { name: "web" });
      const { forMs, ...amounts } = { ...NO_PULL, forMs: 10_000, ...pull };
      const state = { kind: "pulling", ...amounts } as const;
      s.say(nodeId(1), { "shop/web/1": { state, forMs, specHash: null, pullFailure } });
      s.pass(later);
      return s.why("shop/web/1");
    };
    const half = { doneBytes: 20 * MB, totalBytes: 40 * MB, doneLayers: 1, totalLayers: 3 };
    return golden("pulling", {
      "not begun": said({}),
      "layers are known": said({ totalLayers: 3, doneLayers: 1 }),
      "half of it": said(half),
      "half of it, over a slow link": said({ ...half, forMs: 600_000 }),
      "half of it, said a while ago": said(half, 6_000),
      "half of it, and slower since": said(half, 15_000),
      "an engine that tells no layers": said({ ...half, doneLayers: 0, totalLayers: 0 }),
      "only unpacking is left": said({ ...half, doneBytes: 40 * MB }),
      ...Object.fromEntries(PULL_FAILURES.map((kind) => [`again after: ${kind}`, said({}, 0, kind)])),
      "nothing comes": said({ totalBytes: 40 * MB, totalLayers: 3, forMs: 45_000 }),
    });
  });

  test("crash loops, memory limits, health checks and probes", () => {
    const limited = (spec: AppSpec): AppSpec => ({
      ...spec,
      services: spec.services.map((one) => ({ ...one, container: { ...one.container, memoryBytes: 16 * MB } })),
    });
    const said = (over: Partial<WorkloadStatus>): string => {
      const s = new Asked();
      s.tweak = limited;
      s.join();
      s.applyApp("shop", { name: "web" });
      s.say(nodeId(1), { "shop/web/1": over });
      return s.why("shop/web/1");
    };
    const killed = exit(137, { oom: true });
    const words = "killed by the kernel at its memory limit of 16 MB (exit 137)";
    return golden("crashes", {
      "a crash loop": said({
        state: crashed,
        restarts: 3,
        lastEnd: { exit: exit(3), words: "ended with an error (exit 3)", agoMs: 900 },
      }),
      "out of memory": said({
        state: { kind: "backing-off", during: "run", reason: words, exit: killed, attempt: 2, nextTryInMs: 4_000 },
        lastEnd: { exit: killed, words, agoMs: 900 },
      }),
      "given up": said({
        state: { kind: "failed", reason: "gave up after 3 restarts in a row", exit: exit(1) },
        restarts: 3,
        lastEnd: { exit: exit(1), words: "ended with an error (exit 1)", agoMs: 900 },
      }),
      "a job that failed": said({ state: { kind: "completed", exit: exit(1) } }),
      unhealthy: said({ state: { kind: "running", health: "unhealthy" } }),
      unready: said({
        ready: false,
        probes: [{ probe: "readiness", ok: false, answer: "HTTP 503 in 12 ms", failures: 4 }],
      }),
      "not yet probed": said({ ready: false }),
      "liveness fails": said({
        probes: [{ probe: "liveness", ok: false, answer: "connection refused", failures: 1 }],
      }),
      "cannot be created": said({
        state: {
          kind: "backing-off",
          during: "create",
          reason: "invalid mount",
          exit: null,
          attempt: 1,
          nextTryInMs: 1_000,
        },
      }),
      "cannot be started": said({
        state: {
          kind: "backing-off",
          during: "start",
          reason: "no such device",
          exit: null,
          attempt: 1,
          nextTryInMs: 1_000,
        },
      }),
    });
  });

  test("[A82] what it waits for is followed to its cause", () => {
    const s = new Asked();
    const needs: Readonly<Record<string, string>> = { web: "api", api: "db" };
    s.tweak = (spec) => ({
      ...spec,
      services: spec.services.map((one) => {
        const service = needs[one.name];
        if (service === undefined) return one;
        const dependsOn = [
          { service: service as ServiceName, condition: "service_healthy" as const, restart: false, required: true },
        ];
        return { ...one, container: { ...one.container, dependsOn } };
      }),
    });
    s.join();
    s.applyApp("shop", { name: "web", ports: [80] }, { name: "api" }, { name: "db" });
    const waits = (service: string): Partial<WorkloadStatus> => ({
      state: { kind: "waiting", reason: `waits for ${service} to start and to be healthy` },
      specHash: null,
    });
    s.say(nodeId(1), { "shop/web/1": waits("api"), "shop/api/1": waits("db"), "shop/db/1": { state: crashed } });
    const text = s.why("shop/web/1");
    expect(text.indexOf("← api:")).toBeLessThan(text.indexOf("← db:"));
    const port = shop(1, { name: "web", ports: [80] });
    const taken: WorkloadState = {
      kind: "waiting",
      reason: "port 80/tcp is taken by container nginx, which Skerry did not make: stop it or publish another port",
    };
    port.say(nodeId(1), { "shop/web/1": { state: taken, specHash: null } }, { ports: [foreignPort] });
    return golden("waiting", {
      "a dependency of a dependency": text,
      "a port": port.why("shop/web/1"),
      "as its app tells it": s.why("shop"),
    });
  });
});

describe("[A83] never good without a fresh word", () => {
  test("silent, awaited, blind and doubted nodes", () => {
    const silent = shop(2, { name: "web", replicas: 2 });
    silent.pass(200_000, nodeId(2));
    expect(silent.why("shop")).toContain("1 of 2 workloads is good; of 1 nothing is known now");
    const moving = shop(2, { name: "web", replicas: 1, disconnect: { policy: "replace", afterMs: 90_000 } });
    moving.pass(200_000);
    const awaited = shop(2, { name: "web", replicas: 2 });
    for (const [id] of awaited.world.nodes) {
      awaited.apply([{ kind: "reachability-set", node: id, reachability: { kind: "awaited", judgeAfterMs: 60_000 } }]);
    }
    expect(awaited.why("shop")).not.toContain("0 of 2");
    const blind = shop(1, { name: "web" });
    const message = "no container engine listens at /var/run/docker.sock: start Docker (systemctl start docker)";
    blind.say(nodeId(1), {}, { conditions: [{ kind: "engine-unreachable", message }] });
    const again = shop(1, { name: "web" });
    again.disconnect(nodeId(1));
    again.pass(3_000);
    again.connect(nodeId(1));
    return golden("silence", {
      "an app with a silent node": silent.why("shop"),
      "its workload": silent.why("shop/web/1"),
      "the node": silent.why("pi-1"),
      "a workload that moves, were there another node": moving.why("shop/web/1"),
      "the app of it": moving.why("shop"),
      "its node": moving.why("pi-1"),
      "an app after the hub's start": awaited.why("shop"),
      "a node after the hub's start": awaited.why("pi-1"),
      "its engine is down": blind.why("shop/web/1"),
      "that node": blind.why("pi-1"),
      "connected anew": again.why("shop/web/1"),
    });
  });

  test("accepted and not yet applied, on its way, refused", () => {
    const s = new Asked();
    s.join();
    s.applyApp("shop", { name: "web" });
    const onItsWay = s.why("shop/web/1");
    s.accept(nodeId(1));
    const accepted = s.why("shop/web/1");
    const refused = new Asked();
    refused.join();
    refused.applyApp("shop", { name: "web" });
    const position = refused.assignment(nodeId(1))?.position ?? { epoch: 1, generation: 1 };
    const message = "it would drop shop/db/1 without an order to remove it";
    refused.frame(nodeId(1), { type: "refused", position, reason: "unexplained", message, have: null });
    return golden("assigned", {
      "on its way": onItsWay,
      "accepted, not yet applied": accepted,
      refused: refused.why("shop/web/1"),
      "the node that refuses": refused.why("pi-1"),
    });
  });
});

describe("[A84] what operators want is told with since when, by whom and why", () => {
  test("stop, pause, cordon and drain", () => {
    const stopped = shop(1, { name: "web" });
    const target = { app: appName("shop"), service: "web" as ServiceName, slot: null };
    stopped.send({ kind: "set-stopped", target, stopped: true, reason: "the fan is loud" });
    const before = stopped.why("shop/web/1");
    stopped.say(nodeId(1), { "shop/web/1": { state: { kind: "stopped" } } });
    stopped.pass(10_800_000, nodeId(1));
    expect(stopped.why("shop/web")).toMatch(/stopped by\s+admin 3 h ago: the fan is loud/);
    const paused = shop(1, { name: "web" });
    paused.send({ kind: "set-paused", app: appName("shop"), paused: true, reason: "the fair is on" });
    const cordoned = shop(2, { name: "web", replicas: 2, disconnect: REPLACE });
    const node = nodeId(1);
    cordoned.send({
      kind: "set-availability",
      node,
      availability: "cordoned",
      reason: "new SD card",
      drainForMs: null,
    });
    const draining = shop(1, { name: "web", disconnect: REPLACE });
    draining.send({ kind: "set-availability", node, availability: "draining", reason: "", drainForMs: 600_000 });
    const both = shop(1, { name: "web", disconnect: REPLACE });
    both.send({ kind: "set-paused", app: appName("shop"), paused: true, reason: "" });
    both.send({ kind: "set-availability", node, availability: "draining", reason: "", drainForMs: null });
    const everywhere = shop(1, { name: "web", replicas: "global" });
    everywhere.say(node, {
      [`shop/web/${node}`]: { state: { kind: "failed", reason: "no such device", exit: null } },
    });
    return golden("intent", {
      "to be stopped": before,
      stopped: stopped.why("shop/web/1"),
      "the service that is stopped": stopped.why("shop/web"),
      paused: paused.why("shop"),
      cordoned: cordoned.why("pi-1"),
      draining: draining.why("pi-1"),
      "draining, with a paused app": both.why("pi-1"),
      "failed, one copy on each node": everywhere.why("pi-1"),
    });
  });
});

test("[A94] every command that is told names what it is about, so that it can be run as it stands", () => {
  const texts = readdirSync(GOLDEN).map((name) => readFileSync(join(GOLDEN, name), "utf8").replaceAll(/\n +/g, " "));
  const told = texts.flatMap((text) => [
    ...text.matchAll(/: skerry (?!agent|token|policy|registry)((?:rollout |node )?\S+)( \S+)?/g),
  ]);
  const commands = new Set(told.map(([, command]) => command));
  expect([...commands]).toEqual(expect.arrayContaining(["apply", "restart", "start", "unpause", "uncordon", "logs"]));
  for (const [text] of told) expect(text, text).toMatch(/ (shop|pi-1|node\/pi-1)\b\S*$/);
  const logins = texts.flatMap((text) => [...text.matchAll(/: skerry registry .*/g)]);
  expect(logins.length).toBeGreaterThan(0);
  for (const [text] of logins) expect(text, text).toMatch(/registry login docker\.io --user USER --app shop\b/);
});

test("[A84] copies that stand stopped on purpose are summed up apart from those that are not good, and make no node bad", () => {
  const s = shop(1, { name: "web", replicas: 30 });
  const target = { app: appName("shop"), service: "web" as ServiceName, slot: null };
  s.send({ kind: "set-stopped", target, stopped: true, reason: "" });
  const ids = [...(s.world.placementsByNode.get(nodeId(1)) ?? [])];
  s.say(nodeId(1), Object.fromEntries(ids.map((id) => [id, { state: { kind: "stopped" } as const }])));
  const at = { now: s.now, wallMs: s.now };
  const node = why(s.world, { kind: "node", node: nodeId(1) }, at);
  expect([node?.good, node?.lines.at(-1)?.text]).toEqual([true, "10 more are to stand stopped"]);
  s.say(
    nodeId(1),
    Object.fromEntries(ids.map((id, nth) => [id, { state: nth < 22 ? RUNNING : { kind: "stopped" as const } }])),
  );
  const busy = why(s.world, { kind: "node", node: nodeId(1) }, at);
  expect(busy?.good).toBe(false);
  expect(busy?.lines.slice(-2).map(({ text }) => text)).toEqual(["2 more are not good", "8 more are to stand stopped"]);
});

describe("[A85] what is wrong with a node is told with what to do", () => {
  test("every condition", () => {
    const all: Record<Condition["kind"], string> = {
      "engine-unreachable": "the engine does not answer",
      "ledger-rebuilt": "the ledger was damaged and rebuilt from labels",
      "assignment-refused": "assignment 1.4 was refused: it is older than what is held",
      "clone-detected": "another machine connected to the hub as this node",
      "key-revoked": "this node's key was revoked on the hub",
      "outbox-gap": "12 events were lost because the outbox was full",
      "disk-full": "the ledger cannot be written: no space left on device",
      "foreign-label": "container x carries a label that is not sealed by this node",
      "unexplained-container": "container y carries our seal, and nothing wants it",
      "wrong-installation": "the hub is of another installation",
      "disk-pressure": "its disk is nearly full: 412 MB of 29 GB left for the engine",
      "inode-pressure": "its disk has hardly any room for further files",
      "memory-pressure": "its memory is nearly used up: 40 MB of 920 MB left",
      "clock-unsynchronised": "its clock has not been set from the network",
      temperature: "it is too hot: 86 °C, so it slows itself down",
      "under-voltage": "its supply voltage is too low",
      "memory-limits-not-enforced": "memory limits have no effect here, and a workload has one",
      "safe-mode": "safe mode: this machine has restarted 5 times",
    };
    const s = shop(1);
    // The record's keys are the kinds, all of them.
    const conditions = (Object.keys(all) as Condition["kind"][]).map((kind) => ({ kind, message: all[kind] }));
    s.say(nodeId(1), {}, { conditions });
    const good = shop(1);
    return golden("node", { "all that can be wrong": s.why("pi-1"), "a good one": good.why("pi-1") });
  });

  test("the brake", () => {
    const s = shop(4, { name: "web", replicas: 4, disconnect: REPLACE });
    s.pass(200_000, nodeId(4));
    return golden("brake", { "most of a fleet is silent": s.why("shop"), "one of its workloads": s.why("shop/web/1") });
  });
});

describe("[A86] a change is told with what it waits for, or why it failed", () => {
  const GATES: Record<Extract<Gate, { kind: "open" }>["waits"], string> = {
    image: "pulls web:2",
    window: "its apply window is closed: opens at 02:00",
    hold: "held by till: a customer pays",
    start: "is being started",
    health: "must be good for 5 s without a break",
    "safe-mode": "safe mode: this machine restarted too often",
    other: "it is stopped: start it",
  };
  /** The first revision is good; a second one was applied. */
  const changing = (nodes: number, shape: ServiceShape = {}): Asked => {
    const web = {
      name: "web",
      replicas: nodes,
      update: { parallelism: { kind: "count", count: 1 } },
      ...shape,
    } as const;
    const s = new Asked();
    for (let count = 0; count < nodes; count += 1) s.join();
    s.applyApp("shop", { ...web, image: "web:1" });
    passAll(s);
    s.applyApp("shop", { ...web, image: "web:2" });
    return s;
  };
  const passAll = (s: Asked): void => {
    for (const id of s.world.nodes.keys()) {
      const ids = [...(s.world.placementsByNode.get(id) ?? [])];
      s.say(id, Object.fromEntries(ids.map((each) => [each, s.gate(each, { kind: "passed" })])));
    }
  };
  const old = { revision: 1, specHash: "0".repeat(64) as WorkloadStatus["specHash"] };

  test("every thing that a gate waits for", () => {
    const s = changing(1);
    const cases = Object.entries(GATES).map(([waits, reason]) => {
      const hold = waits === "hold" ? { owner: "till", reason: "a customer pays", leftMs: 720_000 } : null;
      const gate = { kind: "open", waits: waits as keyof typeof GATES, reason } as const;
      s.say(nodeId(1), { "shop/web/1": { ...old, hold, ...s.gate("shop/web/1", gate) } });
      return [waits, s.why("shop/web/1")];
    });
    const image = (over: Partial<WorkloadStatus>, reason: string = GATES.image): string => {
      const gate = s.gate("shop/web/1", { kind: "open", waits: "image", reason });
      s.say(nodeId(1), { "shop/web/1": { ...old, ...gate, ...over } });
      return s.why("shop/web/1");
    };
    const pull = { ...NO_PULL, doneBytes: 12 * MB, totalBytes: 40 * MB, doneLayers: 2, totalLayers: 5, forMs: 10_000 };
    const hold = { owner: "till", reason: "a customer pays", leftMs: 60_000 };
    s.say(nodeId(1), {
      "shop/web/1": { ...old, hold, ...s.gate("shop/web/1", { kind: "open", waits: "hold", reason: GATES.hold }) },
    });
    s.pass(61_000, nodeId(1));
    const renewed = s.why("shop/web/1");
    image({ pullFailure: "unreachable" });
    expect(workloadCondition(s.world, workload("shop/web/1"))).toBe("troubled");
    image({ pull });
    expect(workloadCondition(s.world, workload("shop/web/1"))).toBe("working");
    return golden("gates", {
      ...Object.fromEntries(cases),
      "a hold that was renewed": renewed,
      "an image that comes": image({ pull }),
      "an image that does not come": image({ pullFailure: "unreachable" }, "could not pull web:2: no route to host"),
    });
  });

  test("being judged, failed, gone back", () => {
    const s = changing(1);
    const said = (over: Partial<WorkloadStatus>): string => {
      s.say(nodeId(1), { "shop/web/1": over });
      return s.why("shop/web/1");
    };
    const judged = said(s.gate("shop/web/1", { kind: "open", waits: "health", reason: GATES.health }));
    const reason = "its container ended: its command was not found (exit 127)";
    const failed = { kind: "failed", reason, reverted: false } as const;
    const staying = workloadFailing(s, failed);
    const reverted = workloadFailing(changing(1), { ...failed, reverted: true });
    return golden("judged", {
      "being judged": judged,
      "failed, and stays": staying,
      "failed, and went back": reverted,
    });
  });
  const workloadFailing = (s: Asked, gate: Gate): string => {
    const over = gate.kind === "failed" && gate.reverted ? old : {};
    // What the node says and no more: the hub's own conclusions are another case.
    const placement = s.placement("shop/web/1");
    if (placement === undefined) throw new Error("it is placed");
    const before = { ...s.world, rollouts: s.world.rollouts };
    s.apply([
      {
        kind: "observed",
        node: nodeId(1),
        atMs: s.now,
        report: {
          whole: true,
          observed: s.ledgers.get(nodeId(1))?.position ?? { epoch: 1, generation: 0 },
          workloads: [
            {
              ...status(placement.workload, RUNNING, placement.revision, placement.specHash),
              ...over,
              ...s.gate("shop/web/1", gate),
            },
          ],
          gone: [],
          facts: null,
          figures: null,
          ports: null,
          conditions: null,
        },
      },
    ]);
    expect(before.rollouts).toBe(s.world.rollouts);
    expect(workloadAccount(s.world, placement.workload, s.now)?.reason).toContain("failed here");
    return s.why("shop/web/1");
  };

  test("every state of a rollout", () => {
    const s = changing(3);
    const rollout = s.world.rollouts.get(appName("shop"));
    if (rollout === undefined) throw new Error("a rollout is under way");
    const inFlight = s.why("shop");
    const turn = s.why("shop/web/3");
    const all: Record<Rollout["state"]["kind"], Rollout["state"]> = {
      progressing: { kind: "progressing" },
      paused: { kind: "paused", by: "admin", reason: "lunch", atMs: 1_000 },
      done: { kind: "done", atMs: 1_000 },
      failed: { kind: "failed", reason: "web failed on pi-1: exit 127", next: 3, atMs: 1_000 },
      superseded: { kind: "superseded", next: 3, atMs: 1_000 },
    };
    const cases = Object.entries(all).map(([kind, state]) => {
      s.apply([{ kind: "rollout-set", rollout: { ...rollout, state } }]);
      return [kind, s.why("shop")];
    });
    s.apply([{ kind: "rollout-set", rollout: { ...rollout, state: all.paused } }]);
    const slotPaused = s.why("shop/web/3");
    return golden("rollout", {
      "in flight": inFlight,
      "a slot whose turn has not come": turn,
      "a slot of a paused rollout": slotPaused,
      ...Object.fromEntries(cases),
    });
  });

  test("every thing that a rollout waits for", () => {
    const s = changing(2);
    const app = s.world.apps.get(appName("shop"));
    const service = app?.spec.services[0];
    if (app === undefined || service === undefined) throw new Error("it was applied");
    const slots = slotsOf(s.world, app, service, copiesOf(s.world, app.name, service.name));
    const all: Record<Hold["kind"], Hold> = {
      "in-flight": { kind: "in-flight", slots },
      delay: { kind: "delay", untilMs: s.now + 30_000 },
      canary: { kind: "canary", untilMs: s.now + 60_000 },
      "others-down": { kind: "others-down", slots, most: 1 },
      budget: { kind: "budget", group: "shop", down: 2, most: 2 },
      awaited: { kind: "awaited", slots },
      stopped: { kind: "stopped", service: service.name, slots },
      "nothing-left": { kind: "nothing-left" },
    };
    const cases = Object.entries(all).map(([kind, hold]) => [kind, wrap("", holdText(hold, app, s.now), WIDTH, "  ")]);
    return golden("holds", Object.fromEntries(cases));
  });

  test("a canary, and what failed and is not tried again", () => {
    const canary = { who: { kind: "amount", amount: { kind: "count", count: 1 } }, promoteAfterMs: null } as const;
    const s = changing(3, { rollout: { canary } });
    passAll(s);
    const waits = s.why("shop");
    expect(waits).toContain("skerry rollout resume shop");
    const slot = s.why("shop/web/3");
    const bad = changing(1);
    const failed = { kind: "failed", reason: "its command was not found (exit 127)", reverted: true } as const;
    bad.say(nodeId(1), { "shop/web/1": { ...old, ...bad.gate("shop/web/1", failed) } });
    passAll(bad);
    return golden("canary", {
      "a canary waits for an operator": waits,
      "a slot behind the canary": slot,
      "rolled back": bad.why("shop"),
    });
  });
});

test("[A87] ps, the API and why give the same reason and the same hint", () => {
  const s = shop(3, { name: "web", replicas: 3, disconnect: REPLACE });
  s.applyApp("more", { name: "x", constraints: ["node.labels.site == moon"] });
  s.say(nodeId(1), { "shop/web/1": { state: crashed } });
  s.pass(200_000, nodeId(1), nodeId(2));
  const ids = [...s.world.placements.keys(), ...s.world.unplaced.keys()];
  for (const id of ids) {
    const view = workloadView(s.world, id, s.now);
    const answer = why(s.world, { kind: "workload", workload: id }, { now: s.now, wallMs: s.now });
    if (view === null || answer === null) throw new Error(`${id} is wanted`);
    expect(answer.answer).toContain(view.reason);
    expect(answer.good).toBe(view.good);
    if (view.hint !== null) expect(answer.lines.map(({ hint }) => hint)).toContain(view.hint);
    const [app = ""] = id.split("/");
    const ofApp = why(s.world, { kind: "app", app: appName(app) }, { now: s.now, wallMs: s.now });
    const line = ofApp?.lines.find(({ subject }) => subject === id);
    if (!view.good) expect(line).toMatchObject({ hint: view.hint, text: expect.stringContaining(view.reason) });
  }
  expect(ids.length).toBeGreaterThan(3);
});

test("[A83] a node's word from before the hub's start or a new connection is never green", () => {
  const s = shop(1, { name: "web" });
  expect(s.why("shop")).toContain("✓");
  s.disconnect(nodeId(1));
  s.connect(nodeId(1));
  for (const target of ["shop", "shop/web", "shop/web/1", "pi-1"]) expect(s.why(target), target).toContain("✗");
  s.say(nodeId(1));
  for (const target of ["shop", "shop/web", "shop/web/1", "pi-1"]) expect(s.why(target), target).toContain("✓");
});
