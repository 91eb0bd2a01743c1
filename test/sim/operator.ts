// The operator: applies apps, changes and removes them, labels, cordons and removes nodes, at random moments and without looking.
import type { AppSpec } from "@skerry/shared/model/app.ts";
import { changeApp, drawApp, SITES } from "./apps.ts";
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
      const mean = chance.pick([10_000, 40_000, 200_000]);
      for (let atMs = chance.exponential(mean); atMs < forMs; atMs += chance.exponential(mean)) {
        site.scheduler.after(atMs, () => {
          if (site.rough()) act();
        });
      }
    },
    insist() {
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
