// After a site has settled and rested: one story more, in which nothing that runs may be touched.

import { LABEL } from "@skerry/agent/engine/labels.ts";
import type { Disconnect } from "@skerry/shared/model/app.ts";
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { Chance } from "./chance.ts";
import { expectedEnds, managed, nodeGaps, siteGaps } from "./checkers/settled.ts";
import { kindOf } from "./engine/life.ts";
import type { SimContainer } from "./engine/machine.ts";
import type { Violation } from "./history.ts";
import { copyHubDisk, emptyHubDisk } from "./hub-disk.ts";
import type { SimNode } from "./node.ts";
import { pass, settle } from "./run.ts";
import type { Site } from "./site.ts";

type Policy = Disconnect["policy"];
type Epilogue = (site: Site) => Promise<readonly Violation[]>;

const violation = (site: Site, invariant: string, message: string): Violation => ({
  invariant,
  atMs: site.scheduler.nowMs(),
  message,
});

/** The longest pause between two tries to reach the hub, and what follows a connection. */
const OTHER_HUB_MS = 75_000;
/** A stop with its grace, a create and a start, the first pause of the back-off (1 s), and a health check and probes that pass. */
const DRIFT_MS = 40_000;
const DAY_MS = 86_400_000;
/** [I9] gives a minute from when the engine is ready; health checks of the simulated images pass within seconds. */
const AUTONOMY_MS = 60_000;

/** What runs well under one of `policies`: container and start stamp. Others may move or stop by design when a node is silent. */
function fingerprints(site: Site, policies: readonly Policy[] = ["keep"]): ReadonlyMap<string, string> {
  const prints = new Map<string, string>();
  for (const node of site.nodes) {
    const { assignment } = node.disk.content();
    if (assignment === null) continue;
    const good = goodUnder(assignment, policies);
    for (const one of managed(node)) {
      const workload = one.labels[LABEL.workload] ?? "";
      if (good.has(workload)) prints.set(`${node.name} ${workload}`, `${one.id.slice(0, 12)} started ${one.startedAt}`);
    }
  }
  return prints;
}

function goodUnder({ workloads }: Assignment, policies: readonly Policy[]): ReadonlySet<string> {
  const ends = expectedEnds(workloads);
  return new Set(
    workloads
      .filter(({ id, disconnect }) => policies.includes(disconnect.policy) && ends.get(id) === "running")
      // These restart with what they depend on, which may be under another policy.
      .filter(({ spec }) => !spec.dependsOn.some(({ restart }) => restart))
      .map(({ id }) => id),
  );
}

function changed(
  site: Site,
  invariant: string,
  before: ReadonlyMap<string, string>,
  policies: readonly Policy[] = ["keep"],
): readonly Violation[] {
  const after = fingerprints(site, policies);
  return [...before].flatMap(([key, print]) => {
    const now = after.get(key);
    return now === print ? [] : [violation(site, invariant, `${key} was ${print} and is ${now ?? "gone"}`)];
  });
}

/** [I8] Everything but containers and engines is restarted, cut and set wrong. */
const restartAll: Epilogue = async (site) => {
  const before = fingerprints(site);
  site.hub.kill();
  for (const { host } of site.nodes) host.setWallErrorMs(-20 * 365 * DAY_MS);
  await pass(site, 4_000);
  for (const node of site.nodes) node.killAgent();
  await pass(site, 300);
  for (const node of site.nodes) node.startAgent();
  await pass(site, 30_000);
  site.hub.start();
  for (const { host } of site.nodes) host.setWallErrorMs(10 * 365 * DAY_MS);
  await pass(site, 15_000);
  for (const { link } of site.nodes) link.reset();
  const unsettled = await settle(site);
  return [...unsettled, ...changed(site, "I8", before)];
};

/** [I8] Only the hub is away for a while: nobody is called unreachable before it had the time to come back. */
const restartHub: Epilogue = async (site) => {
  const policies = ["keep", "replace"] as const;
  const before = fingerprints(site, policies);
  site.hub.kill();
  await pass(site, 40_000);
  site.hub.start();
  const unsettled = await settle(site);
  return [...unsettled, ...changed(site, "I8", before, policies)];
};

/** [I9] The hub is gone for good and every machine loses its power: all comes back by itself. [I8] The hub's return changes nothing. */
const offlineReboot: Epilogue = async (site) => {
  site.hub.kill();
  await pass(site, 10_000);
  const wanted = new Map<SimNode, Assignment>();
  for (const node of site.nodes) {
    const { assignment } = node.disk.content();
    if (assignment !== null) wanted.set(node, assignment);
    node.powerCut();
    node.host.setWallErrorMs(-56 * 365 * DAY_MS);
  }
  await pass(site, 20_000);
  for (const node of site.nodes) node.boot(8_000);
  await pass(site, 8_000 + AUTONOMY_MS);
  const found: Violation[] = [];
  for (const [node, assignment] of wanted) {
    found.push(...nodeGaps(node, assignment, "ignore").map((gap) => violation(site, "I9", `without the hub, ${gap}`)));
    found.push(...fencedRuns(site, node));
  }
  if (found.length > 0) return found;
  const before = fingerprints(site);
  site.hub.start();
  return [...(await settle(site)), ...changed(site, "I8", before)];
};

/** [I16] After a reboot nothing fenced starts before the hub has spoken. */
function fencedRuns(site: Site, node: SimNode): readonly Violation[] {
  const workloads = node.disk.content().assignment?.workloads ?? [];
  const fenced = new Set<string>(
    workloads.filter(({ disconnect }) => disconnect.policy === "fence").map(({ id }) => id),
  );
  return managed(node)
    .filter(({ labels, status }) => status === "running" && fenced.has(labels[LABEL.workload] ?? ""))
    .map(({ name }) =>
      violation(site, "I16", `${node.name}: ${name} is fenced and runs after a reboot without the hub`),
    );
}

/** [I6] The hub comes back with a database of an hour ago. */
const oldDatabase: Epilogue = async (site) => {
  const old = site.hub.snapshot();
  if (old === null) return [];
  const before = fingerprints(site);
  site.hub.kill();
  site.hub.disk = copyHubDisk(old, site.planted("old database opens a new epoch") ? 1 : 0);
  await pass(site, 2_000);
  site.hub.start();
  await pass(site, OTHER_HUB_MS);
  return changed(site, "I6", before);
};

/** [I33] The hub comes back with nothing at all. */
const emptyDatabase: Epilogue = async (site) => {
  const before = fingerprints(site);
  site.hub.kill();
  site.hub.disk = emptyHubDisk(site.hub.disk);
  await pass(site, 2_000);
  site.hub.start();
  await pass(site, OTHER_HUB_MS);
  return changed(site, "I33", before);
};

/** [I10] In calm times one edit of each kind, on every node: all is as it was within seconds. */
const drift: Epilogue = async (site) => {
  const chance = site.chance("drift");
  for (const edit of EDITS) {
    for (const node of site.nodes) edit(node, chance);
    await pass(site, DRIFT_MS);
    const gaps = siteGaps(site);
    if (gaps.length > 0)
      return gaps.map((gap) => violation(site, "I10", `${DRIFT_MS / 1_000} s after an edit: ${gap}`));
  }
  return [];
};

const steady = (node: SimNode): readonly SimContainer[] =>
  managed(node).filter(({ status, request }) => status === "running" && kindOf(request.spec.image) === "steady");

const onOne =
  (what: (node: SimNode, container: SimContainer) => void) =>
  (node: SimNode, chance: Chance): void => {
    const running = steady(node);
    if (running.length > 0) what(node, chance.pick(running));
  };

const killed = onOne((node, { id }) => node.machine.kill(id, "outside", 137));
const removed = onOne((node, { id }) => node.machine.remove(id, true, "outside", () => undefined));
const renamed = onOne((node, { id }) => node.machine.rename(id, `other-${id.slice(0, 6)}`, "outside"));
const limited = onOne((node, { id }) => node.machine.edit(id, 7_340_032, "outside"));
const detached = onOne((node, { id, networks }) => {
  for (const network of [...networks]) node.machine.disconnect(network, id, "outside");
});
const EDITS: readonly ((node: SimNode, chance: Chance) => void)[] = [killed, removed, renamed, limited, detached];

/** [I11] A new revision in which no container's spec is another: nothing is touched. */
const sameSpecs: Epilogue = async (site) => {
  const before = fingerprints(site, ["keep", "replace", "fence"]);
  const mutations = site.history.mutations.length;
  for (const { spec } of site.hub.loop()?.world.apps.values() ?? []) {
    const services = spec.services.map((service) => ({ ...service, spread: [...service.spread, "rack"] }));
    site.hub.submit({
      kind: "apply-app",
      retry: false,
      force: false,
      spec: { ...spec, services },
      source: "sim",
      ifRevision: null,
    });
  }
  const unsettled = await settle(site);
  const calls = site.history.mutations
    .slice(mutations)
    .filter(({ target }) => target?.status === "running" && kindOf(target.request.spec.image) === "steady");
  return [
    ...unsettled,
    ...changed(site, "I8", before, ["keep", "replace", "fence"]),
    ...calls.map(({ call, node }) => violation(site, "I11", `${node}: ${call}, for a revision without another spec`)),
  ];
};

export const EPILOGUES: Readonly<Record<string, Epilogue>> = {
  drift,
  sameSpecs,
  restartAll,
  restartHub,
  offlineReboot,
  oldDatabase,
  emptyDatabase,
};

export async function runEpilogue(site: Site, wished: string | null | undefined): Promise<readonly Violation[]> {
  const name = wished === undefined ? site.chance("epilogue").pick(Object.keys(EPILOGUES)) : wished;
  if (name === null) return [];
  site.trace.note("epilogue", name);
  const found = (await EPILOGUES[name]?.(site)) ?? [];
  return found.map((one) => ({ ...one, message: `epilogue ${name}: ${one.message}` }));
}
