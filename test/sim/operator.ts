// The operator: applies apps, changes and removes them, labels, cordons and removes nodes, at random moments and without looking.
import type { AppSpec } from "@skerry/shared/model/app.ts";
import type { Revision } from "@skerry/shared/model/ids.ts";
import { changeApp, drawApp, SITES, spoilApp } from "./apps.ts";
import type { Chance } from "./chance.ts";
import type { Site } from "./site.ts";

export interface Operator {
  /** The first apply of every app of the configuration. */
  applyAll(): void;
  plan(forMs: number): void;
  /** Says again what was refused or lost, so that the end state is what was wanted. */
  insist(): void;
}

export function createOperator(site: Site): Operator {
  const chance = site.chance("operator");
  /** What the operator wants; null: removed. */
  const wanted = new Map<string, AppSpec | null>();
  let made = site.config.apps.length;
  const apply = (spec: AppSpec, retry = false): void => {
    wanted.set(spec.name, spec);
    site.hub.submit({ kind: "apply-app", retry, force: false, spec, source: "sim", ifRevision: null });
  };
  const steer = createSteering(site, wanted, apply);
  const act = (): void => {
    const app = chance.pick([...wanted.keys()].sort());
    const spec = wanted.get(app) ?? null;
    const turn = chance.random.next();
    if (turn < 0.5 && spec !== null) apply(changeApp(chance, spec, site.config.style));
    else if (turn < 0.6 && spec !== null) {
      wanted.set(app, null);
      site.hub.submit({ kind: "remove-app", app: spec.name, ifRevision: null });
    } else if (turn < 0.7 && made < 6) {
      made += 1;
      apply(drawApp(chance, `app${made}`, site.config.style));
    } else actOnNode(site, chance);
  };
  return {
    applyAll() {
      for (const spec of site.config.apps) apply(spec);
    },
    plan(forMs) {
      // As with faults: in a long night people do less, not more.
      const mean = Math.max(chance.pick([10_000, 40_000, 200_000]), forMs / 150);
      for (let atMs = chance.exponential(mean); atMs < forMs; atMs += chance.exponential(mean)) {
        site.scheduler.after(atMs, () => {
          if (site.rough()) act();
        });
      }
      steer.plan(forMs);
    },
    insist() {
      steer.settle();
      const there = site.hub.loop()?.world.apps;
      for (const [name, spec] of wanted) {
        // What failed in rough times is tried again.
        if (spec !== null) apply(spec, true);
        else if (there?.has(name as AppSpec["name"])) {
          site.hub.submit({ kind: "remove-app", app: name as AppSpec["name"], ifRevision: null });
        }
      }
      // Half of the seeds end with a node that is still cordoned.
      if (chance.yes(0.5)) return;
      for (const node of site.nodes) {
        const id = node.id();
        if (id !== null && site.hub.loop()?.world.nodes.has(id)) {
          site.hub.submit({ kind: "set-availability", node: id, availability: "active", reason: "", drainForMs: null });
        }
      }
    },
  };
}

type Apply = (spec: AppSpec) => void;

/** Bad revisions, and what an operator does about rollouts and beside the file. Drawn apart from the rest. */
function createSteering(
  site: Site,
  wanted: Map<string, AppSpec | null>,
  apply: Apply,
): { plan(forMs: number): void; settle(): void } {
  const chance = site.chance("steering");
  const { submit } = site.hub;
  const act = (): void => {
    const spec = wanted.get(chance.pick([...wanted.keys()].sort())) ?? null;
    if (spec === null) return;
    const app = spec.name;
    const service = chance.pick(spec.services);
    const target = { app, service: chance.yes(0.5) ? service.name : null, slot: null };
    const turn = chance.random.next();
    const reason = "";
    if (turn < 0.3) {
      // Nobody insists on a bad one.
      const bad = spoilApp(chance, spec, site.config.style);
      submit({ kind: "apply-app", retry: false, force: false, spec: bad, source: "sim", ifRevision: null });
    } else if (turn < 0.45) apply(spec);
    else if (turn < 0.55) submit({ kind: "undo-rollout", app, to: null, reason });
    else if (turn < 0.6) submit({ kind: "pause-rollout", app, reason });
    else if (turn < 0.65) submit({ kind: "resume-rollout", app });
    else if (turn < 0.85) submit({ kind: "set-stopped", target, stopped: chance.yes(0.6), reason });
    else if (turn < 0.92) submit({ kind: "restart", target, reason });
    else submit({ kind: "set-paused", app, paused: chance.yes(0.5), reason });
  };
  const operations = createOperations(site, wanted, (spec, force) =>
    submit({ kind: "apply-app", retry: false, force, spec, source: "sim", ifRevision: null }),
  );
  return {
    plan(forMs) {
      if (site.config.style.updates === null) return;
      const mean = Math.max(chance.pick([4_000, 12_000, 40_000]), forMs / 60);
      for (let atMs = chance.exponential(mean); atMs < forMs; atMs += chance.exponential(mean)) {
        site.scheduler.after(atMs, () => {
          if (site.rough()) act();
        });
      }
      operations.plan(forMs);
    },
    /** Nothing stays paused; half of what stands stopped does. */
    settle() {
      for (const { app, state } of [...(site.hub.loop()?.world.rollouts.values() ?? [])])
        if (state.kind === "paused") submit({ kind: "resume-rollout", app });
      for (const { app, service, slot, stopped, paused } of [...(site.hub.loop()?.world.wishes.values() ?? [])]) {
        if (paused !== null) submit({ kind: "set-paused", app, paused: false, reason: "" });
        if (stopped === null || chance.yes(0.5)) continue;
        submit({ kind: "set-stopped", target: { app, service, slot }, stopped: false, reason: "" });
      }
    },
  };
}

/** Scale, drain, slots by name, older revisions and --force. Drawn apart from the rest, so that none of it moves other draws. */
function createOperations(
  site: Site,
  wanted: Map<string, AppSpec | null>,
  applyAgain: (spec: AppSpec, force: boolean) => unknown,
): { plan(forMs: number): void } {
  const chance = site.chance("operations");
  const { submit } = site.hub;
  const reason = "";
  const scale = (spec: AppSpec): void => {
    const { name, mode } = chance.pick(spec.services);
    const replicas = chance.int(0, 4);
    const done = submit({ kind: "scale", app: spec.name, service: name, replicas, ifRevision: null });
    if (done === null || mode.kind === "global") return;
    // The hub scaled its own newest file, which may be another than the operator's.
    const services = spec.services.map((one) =>
      one.name === name ? { ...one, mode: { kind: "replicated" as const, replicas } } : one,
    );
    wanted.set(spec.name, { ...spec, services });
  };
  const drain = (): void => {
    const node = chance.pick(site.nodes).id();
    if (node === null) return;
    const drainForMs = chance.pick([null, null, 0, 10_000, 60_000]);
    const availability = chance.yes(0.6) ? "draining" : "active";
    submit({
      ...({ kind: "set-availability", node, availability, reason } as const),
      drainForMs: availability === "draining" ? drainForMs : null,
    });
  };
  const onSlot = (): void => {
    const placements = [...(site.hub.loop()?.world.placements.values() ?? [])];
    if (placements.length === 0) return;
    const { app, service, slot } = chance.pick(placements);
    const target = { app, service, slot };
    if (chance.yes(0.4)) submit({ kind: "restart", target, reason });
    else submit({ kind: "set-stopped", target, stopped: chance.yes(0.5), reason });
  };
  const act = (): void => {
    const spec = wanted.get(chance.pick([...wanted.keys()].sort())) ?? null;
    const turn = chance.random.next();
    if (turn < 0.35) drain();
    else if (turn < 0.6) onSlot();
    else if (spec === null) return;
    else if (turn < 0.8) scale(spec);
    else if (turn < 0.9) applyAgain(spec, true);
    else {
      const newest = site.hub.loop()?.world.apps.get(spec.name)?.revision ?? 0;
      // An older one, or none that there is.
      const to = Math.max(1, newest - chance.int(1, 3)) as Revision;
      submit({ kind: "undo-rollout", app: spec.name, to, reason });
    }
  };
  return {
    plan(forMs) {
      if (site.config.style.extras === null) return;
      const mean = Math.max(chance.pick([6_000, 20_000]), forMs / 60);
      for (let atMs = chance.exponential(mean); atMs < forMs; atMs += chance.exponential(mean)) {
        site.scheduler.after(atMs, () => {
          if (site.rough()) act();
        });
      }
    },
  };
}

function actOnNode(site: Site, chance: Chance): void {
  const node = chance.pick(site.nodes).id();
  if (node === null) return;
  const turn = chance.random.next();
  if (turn < 0.4) {
    const set: Record<string, string> = chance.yes(0.8) ? { site: chance.pick(SITES) } : {};
    site.hub.submit({ kind: "set-node-labels", node, set, unset: "site" in set ? [] : ["site"] });
  } else if (turn < 0.9) {
    const availability = chance.pick(["active", "active", "cordoned"] as const);
    site.hub.submit({ kind: "set-availability", node, availability, reason: "", drainForMs: null });
  } else if (chance.yes(0.3)) site.hub.submit({ kind: "remove-node", node });
}
