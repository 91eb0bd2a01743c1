// Operators' wishes: stop, start, restart, pause and scale as desired state.
import type { NodeId, ServiceName, Slot } from "@skerry/shared/model/ids.ts";
import { expect, test } from "vitest";
import { appName, GIB, Scenario, workload } from "../../../test/unit/hub/scenario.ts";
import { buildAssignment } from "./assign.ts";
import type { Command } from "./command.ts";
import { stopOf, type WishTarget } from "./wishes.ts";

const REPLACE = { policy: "replace", afterMs: 30_000 } as const;

function target(text: string): WishTarget {
  const [app = "", service, slot] = text.split("/");
  return { app: appName(app), service: (service ?? null) as ServiceName | null, slot: (slot ?? null) as Slot | null };
}
const stop = (text: string, reason = "noise"): Command => ({
  kind: "set-stopped",
  target: target(text),
  stopped: true,
  reason,
});
const start = (text: string): Command => ({ kind: "set-stopped", target: target(text), stopped: false, reason: "" });
const restart = (text: string): Command => ({ kind: "restart", target: target(text), reason: "" });
const pause = (app: string, paused = true): Command => ({ kind: "set-paused", app: appName(app), paused, reason: "" });
const scale = (app: string, service: string, replicas: number): Command => ({
  kind: "scale",
  app: appName(app),
  service: service as ServiceName,
  replicas,
  ifRevision: null,
});

/** Two nodes with two copies each of `shop/web`. */
function shop(): { readonly s: Scenario; readonly nodes: readonly NodeId[] } {
  const s = new Scenario();
  const nodes = [s.join(), s.join()];
  s.applyApp("shop", { name: "web", replicas: 4, disconnect: REPLACE }, { name: "db", replicas: 1 });
  s.obeyAll();
  return { s, nodes };
}

const intents = (s: Scenario): Readonly<Record<string, boolean>> =>
  Object.fromEntries([...s.world.placements.values()].map((one) => [one.workload, one.intent.run]).sort());

/** What the nodes are told, not what the World holds. */
function told(s: Scenario, id: string): { readonly run: boolean; readonly restarts: number } | undefined {
  for (const node of s.world.nodes.keys()) {
    const found = buildAssignment(s.world, node)?.workloads.find((one) => one.id === workload(id));
    if (found !== undefined) return found.intent;
  }
  return undefined;
}

test("[H120] a stop of an app, a service or a slot is told to the nodes of its copies, and of no others", () => {
  const { s } = shop();
  expect(s.send(stop("shop/web/2"))).toBe(null);
  expect(intents(s)).toEqual({
    "shop/db/1": true,
    "shop/web/1": true,
    "shop/web/2": false,
    "shop/web/3": true,
    "shop/web/4": true,
  });
  s.send(stop("shop/web"));
  expect(told(s, "shop/web/1")).toEqual({ run: false, restarts: 0 });
  expect(told(s, "shop/db/1")).toEqual({ run: true, restarts: 0 });
  s.send(stop("shop"));
  expect(Object.values(intents(s)).some((run) => run)).toBe(false);
});

test("[H120] a copy that is placed later, or moved, stands stopped too", () => {
  const { s, nodes } = shop();
  s.send(stop("shop/web"));
  s.send(scale("shop", "web", 6));
  expect(told(s, "shop/web/6")).toEqual({ run: false, restarts: 0 });
  const [first, second] = nodes;
  s.pass(60_000, second as NodeId);
  for (const { node, service, intent } of s.world.placements.values())
    if (service === "web") expect({ node, run: intent.run }).toEqual({ node: second, run: false });
  expect(first).toBeDefined();
});

test("[H120] each change of an intent is a new generation of its node, and of no other", () => {
  const { s } = shop();
  const before = new Map([...s.world.nodes].map(([id, node]) => [id, node.assigned.generation]));
  s.send(stop("shop/web/1"));
  const host = s.placement("shop/web/1")?.node;
  for (const [id, node] of s.world.nodes)
    expect(node.assigned.generation).toBe((before.get(id) ?? 0) + (id === host ? 1 : 0));
});

test("[H121] a start lifts the stop of its target and of all below it", () => {
  const { s } = shop();
  for (const one of ["shop/web/1", "shop/web", "shop"]) s.send(stop(one));
  expect(s.send(start("shop"))).toBe(null);
  expect(Object.values(intents(s)).every((run) => run)).toBe(true);
  expect(s.world.wishes.size).toBe(0);
});

test("[H121] a part of what is stopped as a whole is neither started nor restarted: the whole is named", () => {
  const { s } = shop();
  s.send(stop("shop"));
  for (const command of [start("shop/web"), start("shop/web/1"), restart("shop/web"), restart("shop")])
    expect(s.send(command)).toMatchObject({ code: "invalid", hint: expect.stringContaining("skerry start shop") });
});

test("[H122] a restart gives each copy a larger number than it ever had, also after the wish was forgotten", () => {
  const { s } = shop();
  s.world = { ...s.world, seq: 7 };
  s.send(restart("shop/web/1"));
  const first = told(s, "shop/web/1")?.restarts ?? 0;
  expect(first).toBeGreaterThan(0);
  expect(told(s, "shop/web/2")?.restarts).toBe(0);
  s.send(restart("shop/web/1"));
  const second = told(s, "shop/web/1")?.restarts ?? 0;
  expect(second).toBeGreaterThan(first);
  s.send(restart("shop"));
  expect(told(s, "shop/web/1")?.restarts ?? 0).toBeGreaterThan(second);
  const highest = told(s, "shop/web/1")?.restarts ?? 0;
  s.removeApp("shop");
  s.applyApp("shop", { name: "web", replicas: 4 });
  // Commits were made meanwhile: a restart, a removal, an application.
  s.world = { ...s.world, seq: highest + 3 };
  s.send(restart("shop/web/1"));
  expect(told(s, "shop/web/1")?.restarts ?? 0).toBeGreaterThan(highest);
});

test("[H122] a restart of the whole reaches a copy whose own wish, with a larger number, has ended meanwhile", () => {
  const { s } = shop();
  for (const one of ["shop", "shop/web", "shop/web/4"]) s.send(restart(one));
  const highest = told(s, "shop/web/4")?.restarts ?? 0;
  s.send(scale("shop", "web", 3));
  s.send(scale("shop", "web", 4));
  expect(s.world.wishes.has("shop/web/4")).toBe(false);
  s.world = { ...s.world, seq: highest };
  s.send(restart("shop"));
  expect(told(s, "shop/web/4")?.restarts ?? 0).toBeGreaterThan(highest);
});

test("[H123] a wish leaves with its slot, its service and its app", () => {
  const { s } = shop();
  for (const one of ["shop/web/4", "shop/web/1", "shop/db"]) s.send(stop(one));
  s.send(scale("shop", "web", 3));
  expect([...s.world.wishes.keys()]).toEqual(["shop/web/1", "shop/db"]);
  s.send(scale("shop", "web", 4));
  expect(told(s, "shop/web/4")?.run).toBe(true);
  s.applyApp("shop", { name: "web", replicas: 4, disconnect: REPLACE });
  expect([...s.world.wishes.keys()]).toEqual(["shop/web/1"]);
  s.removeApp("shop");
  expect(s.world.wishes.size).toBe(0);
});

test("[H123] a wish stays with a slot that waits for a node", () => {
  const s = new Scenario();
  const only = s.join();
  s.applyApp("shop", { name: "web", replicas: 2, memoryBytes: GIB / 2, disconnect: REPLACE });
  s.obeyAll();
  s.send(stop("shop/web/2"));
  s.send({ kind: "remove-node", node: only });
  expect(s.world.placements.size).toBe(0);
  expect([...s.world.wishes.keys()]).toEqual(["shop/web/2"]);
  s.join();
  expect(intents(s)).toEqual({ "shop/web/1": true, "shop/web/2": false });
});

test("[H124] of a paused app nothing is placed, changed or moved, whatever happens; stops and restarts reach it", () => {
  const { s, nodes } = shop();
  const [first, second] = nodes as [NodeId, NodeId];
  s.send(pause("shop"));
  const stood = s.placed();
  const hashes = () => [...s.world.placements.values()].map(({ specHash, revision }) => ({ specHash, revision }));
  const before = hashes();
  s.applyApp("shop", { name: "web", image: "web:2", replicas: 6, disconnect: REPLACE });
  s.send({ kind: "set-node-labels", node: first, set: { a: "b" }, unset: [] });
  s.send({ kind: "set-availability", node: second, availability: "draining", reason: "", drainForMs: null });
  s.pass(120_000, first);
  expect(s.placed()).toEqual(stood);
  expect(hashes()).toEqual(before);
  s.send(stop("shop/web/1"));
  expect(told(s, "shop/web/1")?.run).toBe(false);
});

test("[H124] when the pause ends, the app catches up with all of it at once", () => {
  const { s, nodes } = shop();
  const [first] = nodes as [NodeId, NodeId];
  s.send(pause("shop"));
  s.send(scale("shop", "web", 5));
  s.pass(120_000, first);
  s.send(pause("shop", false));
  const web = Object.entries(s.placed()).filter(([id]) => id.startsWith("shop/web"));
  expect(web.map(([, node]) => node)).toEqual([1, 1, 1, 1, 1]);
});

test("[H125] scaling is a new revision by which no standing copy is made anew", () => {
  const { s } = shop();
  const before = new Map([...s.world.placements].map(([id, { specHash, node }]) => [id, { specHash, node }]));
  expect(s.send(scale("shop", "web", 6))).toBe(null);
  expect(s.world.apps.get(appName("shop"))?.revision).toBe(2);
  for (const [id, was] of before) expect(s.placement(id)).toMatchObject(was);
  expect(s.world.placements.size).toBe(7);
  expect(s.log).toContainEqual(expect.objectContaining({ kind: "app-set", source: { sameAs: 1 } }));
  s.send(scale("shop", "web", 6));
  expect(s.world.apps.get(appName("shop"))?.revision).toBe(2);
});

test("[H125] a global service cannot be scaled, nor one that is not there, nor to no number", () => {
  const s = new Scenario();
  s.join();
  s.applyApp("shop", { name: "web", replicas: "global" }, { name: "db" });
  expect(s.send(scale("shop", "web", 2))).toMatchObject({
    code: "invalid",
    message: expect.stringContaining("global"),
  });
  expect(s.send(scale("shop", "cache", 2))).toMatchObject({ code: "invalid", path: "service" });
  expect(s.send(scale("shop", "db", -1))).toMatchObject({ code: "invalid", path: "replicas" });
  expect(s.send(scale("nobody", "db", 1))).toMatchObject({ code: "not-found" });
});

test("[H126] since when, by whom and why stays as it was first said, and is told", () => {
  const { s } = shop();
  s.send(stop("shop/web", "the fan is loud"));
  s.send(stop("shop/web", "something else"));
  s.send(stop("shop/web/1", "later"));
  const slot = { app: appName("shop"), service: "web" as ServiceName, slot: "1" as Slot, node: null };
  expect(stopOf(s.world, slot)).toEqual({
    target: "shop/web",
    said: { by: "admin", atMs: 1_000, reason: "the fan is loud" },
  });
  expect(s.events().filter(({ kind }) => kind === "wish-changed")).toHaveLength(2);
});

test("[H126] a reason is one line of bounded length", () => {
  const { s } = shop();
  expect(s.send(stop("shop", "a\nb"))).toMatchObject({ code: "invalid", path: "reason" });
  expect(s.send(stop("shop", "a".repeat(257)))).toMatchObject({ code: "invalid", path: "reason" });
  expect(s.send(stop("shop/nothing"))).toMatchObject({ code: "invalid", path: "service" });
  expect(s.send(stop("shop/web/9"))).toMatchObject({ code: "invalid", path: "slot" });
});
