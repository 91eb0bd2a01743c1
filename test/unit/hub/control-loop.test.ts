// The control loop on a store in memory: what is durable before what, what a full or broken disk does, and its bounds.

import type { OutboxItem } from "@skerry/shared/model/event.ts";
import type { InstallationId, NodeId } from "@skerry/shared/model/ids.ts";
import { plainStatus } from "@skerry/shared/model/plain.ts";
import type { Report, WorkloadStatus } from "@skerry/shared/model/report.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { seededRandom } from "@skerry/shared/runtime/random.ts";
import { expect, test } from "vitest";
import {
  createControlLoop,
  MAX_WAITING_PER_NODE,
  SAVE_OBSERVED_MS,
  STORAGE_RETRY_MS,
} from "../../../hub/src/control-loop.ts";
import { worldFrom } from "../../../hub/src/core/apply-change.ts";
import { DEFAULT_SETTINGS } from "../../../hub/src/core/decide.ts";
import type { InputResult } from "../../../hub/src/link/hub.ts";
import { createMemoryDisk, openMemoryStore } from "../../../hub/src/store/memory.ts";
import { StoreError } from "../../../hub/src/store/store.ts";
import { handClock } from "./hand-clock.ts";
import { ORIGIN } from "./origin.ts";
import { appSpec, workload } from "./scenario.ts";
import { type FakeAgent, type SmallHub, smallHub } from "./small-hub.ts";

const item = (seq: number): OutboxItem => ({ seq, bootId: "b", ageMs: 0, event: { kind: "gap", lost: seq } });
const web = appSpec("shop", { name: "web", replicas: "global" });
const full = (): never => {
  throw new StoreError("full", "no space");
};
const broken = (): never => {
  throw new StoreError("broken", "input/output error");
};
const report: Report = {
  whole: true,
  observed: { epoch: 1, generation: 0 },
  workloads: [],
  gone: [],
  facts: null,
  figures: null,
  ports: null,
  conditions: null,
};

function sendEvents(hub: SmallHub, node: NodeId, ...seqs: number[]): InputResult[] {
  const results: InputResult[] = [];
  hub.loop.receive(node, { type: "events", items: seqs.map(item) }, (result) => results.push(result));
  return results;
}

test("[L1] what the World shows is what a restarted hub loads", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  hub.apply(web);
  const agent = hub.agent(node);
  agent.accept();
  hub.clock.run(1_000);
  const { loop } = hub;
  const again = worldFrom(hub.store.load(), 0);
  for (const part of ["seq", "epoch", "apps", "nodes", "placements", "tombstonesByNode", "fencingTokens"] as const) {
    expect(again[part]).toEqual(loop.world[part]);
  }
  expect(again.placements.size).toBe(1);
});

test("[L1] listeners are called after the commit, and see the World moved", () => {
  const hub = smallHub();
  const seen: number[] = [];
  hub.loop.onCommitted(() => seen.push(hub.store.load().apps.length, hub.loop.world.apps.size));
  hub.apply(web);
  expect(seen.slice(0, 2)).toEqual([1, 1]);
});

test("[L2] what many nodes say at once is one commit; what one node says stays in order", () => {
  const hub = smallHub();
  const nodes = Array.from({ length: 20 }, (_, index) => hub.join(`pi-${index}`));
  hub.clock.run(0);
  const before = hub.loop.world.seq;
  const results = nodes.flatMap((node) => [sendEvents(hub, node, 1), sendEvents(hub, node, 2)]);
  expect(results.flat()).toEqual([]);
  hub.clock.run(0);
  expect(results.flat()).toEqual(Array(40).fill({ kind: "done" }));
  expect(hub.loop.world.seq).toBe(before + 2);
  expect(hub.eventKinds().filter((kind) => kind === "gap")).toHaveLength(40);
});

test("[L3] a full disk refuses a change whole, and takes it when there is room", () => {
  const hub = smallHub();
  hub.join("pi");
  hub.disk.refuse = full;
  const command = { kind: "apply-app", retry: false, force: false, spec: web, source: "", ifRevision: null } as const;
  expect(hub.submit(command)).toEqual({ ok: false, error: { kind: "storage-full" } });
  expect(hub.loop.storage().kind).toBe("full");
  expect(hub.loop.world.apps.size).toBe(0);
  hub.disk.refuse = null;
  expect(hub.submit(command).ok).toBe(true);
  expect(hub.loop.storage().kind).toBe("ok");
});

test("[L3] being full ends by itself, and what was to be decided is decided then", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  // The disk fills up between the change and what follows from it.
  let commits = 0;
  hub.disk.refuse = () => {
    commits += 1;
    if (commits > 1) full();
  };
  hub.apply(web);
  expect(hub.loop.world.placements.size).toBe(0);
  expect(hub.loop.storage().kind).toBe("full");
  hub.clock.run(STORAGE_RETRY_MS);
  expect(hub.loop.storage().kind).toBe("full");
  hub.disk.refuse = null;
  hub.clock.run(STORAGE_RETRY_MS);
  expect(hub.loop.storage().kind).toBe("ok");
  expect([...hub.loop.world.placements.keys()]).toEqual([workload(`shop/web/${node}`)]);
});

test("[L4] on a full disk a node is still heard, and what it said that must last is called lost", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  hub.agent(node);
  hub.disk.refuse = full;
  const results = sendEvents(hub, node, 1);
  hub.clock.run(0);
  expect(results).toEqual([{ kind: "lost" }]);
  hub.clock.run(1_000);
  const beats: InputResult[] = [];
  hub.loop.receive(node, { type: "beat", n: 1 }, (result) => beats.push(result));
  expect(beats).toEqual([{ kind: "done" }]);
  expect(hub.loop.world.reachability.get(node)).toMatchObject({ kind: "ready", lastHeardMs: 1_000 });
});

test("[L5] after a store failure the hub is read-only until it is restarted", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  hub.disk.refuse = broken;
  const command = { kind: "apply-app", retry: false, force: false, spec: web, source: "", ifRevision: null } as const;
  expect(hub.submit(command)).toEqual({ ok: false, error: { kind: "read-only" } });
  hub.disk.refuse = null;
  expect(hub.submit(command)).toEqual({ ok: false, error: { kind: "read-only" } });
  expect(hub.loop.storage()).toEqual({ kind: "broken", message: "input/output error" });
  const agent = hub.agent(node);
  expect(agent.all("welcome")).toHaveLength(1);
  agent.say({ type: "beat", n: 1 });
  expect(agent.all("beat-ack")).toHaveLength(1);
  expect(hub.loop.world.seq).toBe(hub.store.load().seq);
});

test("[L6] one node cannot fill the queue of all", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  const results = Array.from({ length: MAX_WAITING_PER_NODE + 1 }, (_, index) => sendEvents(hub, node, index + 1));
  expect(results.flat()).toEqual([{ kind: "overloaded" }]);
});

test("[L7] the same idempotency key is taken once", () => {
  const hub = smallHub();
  const context = {
    actor: "admin",
    origin: ORIGIN,
    freshToken: null,
    idempotency: { key: "k", requestHash: "h", answer: () => ({ status: 200, body: "{}" }) },
  };
  const command = { kind: "apply-app", retry: false, force: false, spec: web, source: "", ifRevision: null } as const;
  expect(hub.loop.submit(command, context).ok).toBe(true);
  expect(hub.loop.submit(command, context)).toEqual({ ok: false, error: { kind: "duplicate" } });
  expect(hub.store.idempotent("k")).toEqual({ requestHash: "h", status: 200, body: "{}" });
  expect(hub.loop.storage().kind).toBe("ok");
});

test("[L8] a preview shows what would be decided and moves nothing", () => {
  const hub = smallHub();
  hub.join("pi");
  const { seq } = hub.loop.world;
  const command = { kind: "apply-app", retry: false, force: false, spec: web, source: "", ifRevision: null } as const;
  const preview = hub.loop.preview(command, { actor: "admin", freshToken: null });
  expect(preview.ok && preview.value.after.placements.size).toBe(1);
  expect(hub.loop.world).toMatchObject({ seq, apps: new Map(), placements: new Map() });
});

test("[L9] a lease ends by time alone, without any input", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  hub.agent(node);
  expect(hub.loop.world.reachability.get(node)?.kind).toBe("ready");
  hub.clock.run(120_000);
  expect(hub.loop.world.reachability.get(node)?.kind).toBe("unreachable");
  expect(hub.eventKinds()).toContain("node-unreachable");
});

test("[L10] what nodes were seen to run is written behind and is there after a restart", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  hub.apply(web);
  const status = {
    id: workload(`shop/web/${node}`),
    revision: 1,
    specHash: null,
    state: { kind: "running", health: "none" },
    forMs: 1,
    containerId: "c",
    imageId: null,
    restarts: 0,
    ...plainStatus,
  } as const;
  hub.loop.receive(node, { type: "report", report: { ...report, workloads: [status] } }, () => {});
  hub.clock.run(SAVE_OBSERVED_MS + 1);
  expect(hub.store.load().observed.get(node)).toEqual([status]);
});

test("[L11] stopping commits what waits, and takes nothing more", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  const results = sendEvents(hub, node, 1);
  hub.loop.stop();
  expect(results).toEqual([{ kind: "done" }]);
  expect(sendEvents(hub, node, 2)).toEqual([{ kind: "lost" }]);
  const command = { kind: "remove-token", id: "t1" } as const;
  expect(hub.submit(command)).toEqual({ ok: false, error: { kind: "stopping" } });
});

test("[L12] a bug ends the process, also when a caller would have caught it", () => {
  const clock = handClock();
  const store = openMemoryStore(createMemoryDisk({ installation: "i00000000000000aa" as InstallationId, epoch: 1 }));
  const faulty = {
    ...store,
    commit: () => {
      throw new TypeError("a bug");
    },
  };
  const parts = { clock, random: seededRandom(1), log: silentLog, settings: DEFAULT_SETTINGS };
  const loop = createControlLoop({ ...parts, store: faulty });
  loop.start();
  const context = { actor: "admin", origin: ORIGIN, freshToken: null, idempotency: null };
  const command = { kind: "apply-app", retry: false, force: false, spec: web, source: "", ifRevision: null } as const;
  expect(() => loop.submit(command, context)).toThrow("a bug");
  expect(() => clock.run(0)).toThrow("a bug");
  expect(loop.submit(command, context)).toEqual({ ok: false, error: { kind: "stopping" } });
});

/** The node takes what it is offered and judges it: images that end in "bad" fail, and it goes back by itself. */
function judges(hub: SmallHub, agent: FakeAgent): void {
  hub.clock.run(0);
  agent.accept();
  const offer = agent.got.findLast((frame) => frame.type === "assign" || frame.type === "assign-delta");
  assert(offer !== undefined, "something was offered");
  const { position, workloads } =
    offer.type === "assign" ? offer.assignment : { ...offer.delta, workloads: offer.delta.setWorkloads };
  const statuses = workloads.map((one): WorkloadStatus => {
    const isBad = one.spec.image.endsWith("bad");
    return {
      ...{ id: one.id, revision: one.revision, specHash: one.specHash, forMs: 0, restarts: 0, ...plainStatus },
      ...{ containerId: "c", imageId: "i", state: { kind: "running", health: "none" } },
      gate: isBad ? { kind: "failed", reason: "it ended", reverted: true } : { kind: "passed" },
      gateFor: { specHash: one.specHash, attempt: one.changeOver.attempt },
    };
  });
  agent.say({ type: "report", report: { ...report, observed: position, workloads: statuses } });
  hub.clock.run(1_000);
}

test("[H246] an undo after a rollback goes past what failed, to what was good before and asks for something else", () => {
  const hub = smallHub();
  const agent = hub.agent(hub.join("pi"));
  const image = (): string | undefined => hub.loop.world.apps.get(web.name)?.spec.services[0]?.container.image;
  const undo = { kind: "undo-rollout", app: web.name, to: null, reason: "" } as const;
  for (const tag of ["web:1", "web:2", "web:bad"]) {
    hub.apply(appSpec("shop", { name: "web", replicas: "global", image: tag }));
    judges(hub, agent);
  }
  judges(hub, agent);
  // Revision 4 is the rollback to what revision 2 was, and good.
  expect([hub.loop.world.apps.get(web.name)?.lastGood, image()]).toEqual([4, "web:2"]);
  expect(hub.submit(undo).ok).toBe(true);
  expect(image()).toBe("web:1");
  judges(hub, agent);
  // And once more: what was good before that.
  expect(hub.submit(undo).ok).toBe(true);
  expect(image()).toBe("web:2");
  expect(hub.submit({ ...undo, to: 3 }).ok).toBe(true);
  expect(image()).toBe("web:bad");
});

test("[H135] a drain ends after as long as was said, whatever the wall clock does meanwhile", () => {
  const decade = 10 * 365 * 86_400_000;
  for (const errorMs of [0, -decade, decade]) {
    const hub = smallHub();
    const node = hub.join("pi");
    hub.apply(web);
    const [id = workload("")] = hub.loop.world.placements.keys();
    const said = { availability: "draining", reason: "", drainForMs: 60_000 } as const;
    hub.submit({ kind: "set-availability", node, ...said });
    hub.clock.setWallErrorMs(errorMs);
    hub.clock.run(59_999);
    // Something is decided in between.
    hub.apply(appSpec("other", { name: "web" }));
    expect(hub.loop.world.placements.get(id)?.intent.run).toBe(true);
    hub.clock.run(1);
    expect(hub.loop.world.placements.get(id)?.intent.run).toBe(false);
  }
});
