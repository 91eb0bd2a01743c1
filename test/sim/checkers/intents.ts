// What operators said comes true once all works again: [I40] what is stopped runs nowhere, [I43] a drain moves what another node could
// take and stops the rest when its time is up, and [I46] nothing holds an update for ever.
import { LABEL } from "@skerry/agent/engine/labels.ts";
import type { Node, Placement, World } from "@skerry/hub/core/world.ts";
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { Site } from "../site.ts";
import { takers } from "./placement.ts";

export const intentGaps = (site: Site, world: World): readonly string[] => [
  ...holdGaps(site),
  ...stoppedGaps(site, world),
  ...[...world.nodes.values()].flatMap((node) => drainGaps(site, world, node)),
];

/** [I46] Whatever a workload wrote, and however often: its update comes. */
function holdGaps({ nodes }: Site): readonly string[] {
  return nodes.flatMap((node) =>
    (node.disk.content().assignment?.workloads ?? []).flatMap(({ id, specHash, intent, times }) => {
      const owner = node.leaseFiles.get(id)?.owner;
      if (owner === undefined || times.hold === null || !intent.run) return [];
      const isOld = [...node.machine.containers.values()].some(
        ({ madeBy, status, labels }) =>
          madeBy === "agent" &&
          status === "running" &&
          labels[LABEL.workload] === id &&
          labels[LABEL.specHash] !== specHash,
      );
      return isOld ? [`${node.name}: the change of ${id} is held by ${owner}`] : [];
    }),
  );
}

/** By the words of the wish alone: whatever the hub made of it. A node that was removed keeps what it runs. */
function stoppedGaps({ nodes }: Site, world: World): readonly string[] {
  const stopped = [...world.wishes.values()].filter((wish) => wish.stopped !== null);
  return nodes.flatMap((node) => {
    const id = node.id();
    if (id === null || !world.nodes.has(id)) return [];
    return [...node.machine.containers.values()].flatMap(({ madeBy, status, labels, name }) => {
      if (madeBy !== "agent" || status !== "running") return [];
      const [app, service, slot] = (labels[LABEL.workload] ?? "").split("/");
      const wish = stopped.find(
        (one) => one.app === app && (one.service ?? service) === service && (one.slot ?? slot) === slot,
      );
      return wish === undefined ? [] : [`${node.name}: ${name} runs, and an operator stopped it`];
    });
  });
}

/** A hub that was started meanwhile goes by its wall clock: one that was ever set says nothing then. */
function isOver({ history, hub, scheduler }: Site, node: Node): boolean {
  const asked = history.acked.flatMap(({ atMs, command }) =>
    command.kind === "set-availability" && command.node === node.id && command.availability === "draining"
      ? [{ atMs, forMs: command.drainForMs }]
      : [],
  );
  const { atMs, forMs } = asked.at(-1) ?? { atMs: 0, forMs: null };
  if (forMs === null || (hub.host.wallSetAtMs() > 0 && hub.startedAtMs() > atMs)) return false;
  return atMs + forMs + DECIDED_MS < scheduler.nowMs();
}

/** The hub looks at its drains now and then. */
const DECIDED_MS = 10_000;

function drainGaps(site: Site, world: World, node: Node): readonly string[] {
  if (node.availability !== "draining") return [];
  const over = isOver(site, node);
  return [...(world.placementsByNode.get(node.id) ?? [])].flatMap((id) => {
    const placement = world.placements.get(id);
    if (placement === undefined) return [];
    if (over && placement.intent.run) return [`${id} is to run on ${node.name}, whose drain is over`];
    const service = world.apps.get(placement.app)?.spec.services.find(({ name }) => name === placement.service);
    if (service === undefined || !mayMove(world, placement, service)) return [];
    const taker = takers(world, placement, service)[0];
    return taker === undefined ? [] : [`${id} is on ${node.name}, which is drained, and ${taker.name} could take it`];
  });
}

/** A service of which something else is not good waits for that, and says so. */
function mayMove(world: World, { app, service: name }: Placement, service: ServiceSpec): boolean {
  if (service.mode.kind === "global" || service.disconnect.policy === "keep") return false;
  if ((world.wishes.get(app)?.paused ?? null) !== null) return false;
  const others = [...world.placements.values()].filter((one) => one.app === app && one.service === name);
  if (others.length < service.mode.replicas) return false;
  if (service.rollout.budget !== null) return false;
  return others.every(({ workload, specHash }) => {
    const gate = world.gates.get(workload);
    return gate?.specHash === specHash && gate.result.kind === "passed";
  });
}
