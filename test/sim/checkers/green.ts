// [I23] as it happens: the hub shows a workload as good only if it truly ran so, on that node and from that spec, not long ago.
import { workloadView } from "@skerry/hub/http/views/workloads.ts";
import { HEARTBEAT_METERED_MS, HEARTBEAT_MS, LEASE_PERIODS } from "@skerry/shared/protocol/version.ts";
import { runsKey, type Violation } from "../history.ts";
import type { Site } from "../site.ts";

/** Three heartbeats of silence, … */
const LEASE_MS = LEASE_PERIODS * HEARTBEAT_MS;
const LEASE_METERED_MS = LEASE_PERIODS * HEARTBEAT_METERED_MS;
/** … after an agent that sees without events (30 s), through an engine that answers late (20 s a call), over a slow link. */
const SEEING_MS = 120_000;

export function findFalseGreen(site: Site): readonly Violation[] {
  const loop = site.hub.loop();
  if (loop === null || site.hub.process()?.isPaused() !== false) return [];
  const { world } = loop;
  const now = site.hub.host.monotonicMs();
  const found: Violation[] = [];
  for (const placement of world.placements.values()) {
    const view = workloadView(world, placement.workload, now);
    if (view?.good !== true || view.state !== "running") continue;
    const node = site.nodes.find((one) => one.id() === placement.node);
    if (node === undefined) continue;
    const limitMs = SEEING_MS + (node.config.metered ? LEASE_METERED_MS : LEASE_MS);
    const since = site.scheduler.nowMs() - limitMs;
    const runs = site.history.runs.get(runsKey(node.name, placement.workload)) ?? [];
    // From the newest on: in a long night there are thousands.
    const ran = runs.findLast(
      ({ specHash, untilMs }) => specHash === placement.specHash && (untilMs === null || untilMs >= since),
    );
    if (ran !== undefined) continue;
    const message = `${placement.workload} is shown as running on ${node.name}, and has not run there for ${limitMs / 1_000} s`;
    found.push({ invariant: "I23", atMs: site.scheduler.nowMs(), message });
  }
  return found;
}
