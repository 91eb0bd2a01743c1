// `apply --force` of content that is on its way already: a change that a window or a lease holds back must go through at once.
import { expect, test } from "vitest";
import { appName, appSpec, Scenario, workload } from "../../../../test/unit/hub/scenario.ts";
import { buildAssignment } from "../assign.ts";
import { outlookOf } from "./outlook.ts";

const SHOP = appName("shop");

function force(s: Scenario, image: string): void {
  const spec = appSpec("shop", { name: "web", replicas: "global", image });
  expect(s.send({ kind: "apply-app", spec, source: "", ifRevision: null, retry: false, force: true })).toBeNull();
}

test("[H200] --force reaches copies that were let through before and are not judged yet, and no copy that has passed", () => {
  const s = new Scenario();
  const nodes = [s.join(), s.join()];
  s.applyApp("shop", { name: "web", replicas: "global", image: "web:1" });
  s.obeyAll();
  s.applyApp("shop", {
    name: "web",
    replicas: "global",
    image: "web:2",
    update: { parallelism: { kind: "count", count: 0 } },
  });
  const [held, passed] = nodes;
  if (held === undefined || passed === undefined) throw new Error("no nodes");
  s.obey(passed);
  force(s, "web:2");
  const told = (node: typeof held) =>
    buildAssignment(s.world, node)?.workloads.find(({ id }) => id === workload(`shop/web/${node}`))?.changeOver;
  expect(told(held)).toMatchObject({ force: true, previous: { revision: 1 } });
  expect(told(passed)).toMatchObject({ force: false });
  s.obeyAll();
  expect(s.world.rollouts.get(SHOP)?.state.kind).toBe("done");
});

test("[H200] --force reaches a copy that came too late for its rollout, shows it, and is done when it is judged", () => {
  const s = new Scenario();
  const [here, away] = [s.join(), s.join()];
  s.applyApp("shop", { name: "web", replicas: "global", image: "web:1" });
  s.obeyAll();
  s.pass(61_000, here);
  s.applyApp("shop", { name: "web", replicas: "global", image: "web:2" });
  s.obey(here);
  expect(s.world.rollouts.get(SHOP)?.state.kind).toBe("done");
  s.connect(away);
  s.accept(away);
  force(s, "web:2");
  const shown = () => {
    const [app, rollout] = [s.world.apps.get(SHOP), s.world.rollouts.get(SHOP)];
    if (app === undefined || rollout === undefined) throw new Error("there is no rollout");
    const [web] = outlookOf(s.world, app, rollout, s.now);
    return [rollout.revision, rollout.state.kind, web?.slots.map(({ state }) => state), web?.reason];
  };
  expect(shown()).toEqual([3, "progressing", ["passed", "open"], "waits until web on pi-2 has passed"]);
  s.obey(away);
  expect(shown()).toEqual([3, "done", undefined, undefined]);
  force(s, "web:2");
  expect(s.world.apps.get(SHOP)?.revision).toBe(3);
});
