// Workloads that hold their own updates: each takes a lease, renews it for a while, and gives it back; or it dies first, and some ask for
// a day. Some never stop renewing. Nothing here ends with the rough times: every hold must end by itself.

import { LABEL } from "@skerry/agent/engine/labels.ts";
import { HOLD_TARGET } from "@skerry/agent/times/holds.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Chance } from "./chance.ts";
import type { SimContainer } from "./engine/machine.ts";
import type { SimNode } from "./node.ts";
import type { Site } from "./site.ts";

const DAY_MS = 86_400_000;

export function planHolders(site: Site, forMs: number): void {
  if (site.config.style.extras === null) return;
  const chance = site.chance("holders");
  const mean = Math.max(4_000, forMs / 100);
  for (let atMs = chance.exponential(mean); atMs < forMs; atMs += chance.exponential(mean)) {
    site.scheduler.after(atMs, () => takeLease(site, chance));
  }
}

const mayHold = ({ status, madeBy, request }: SimContainer): boolean =>
  madeBy === "agent" && status === "running" && request.spec.mounts.some(({ target }) => target === HOLD_TARGET);

function takeLease(site: Site, chance: Chance): void {
  const node = chance.pick(site.nodes);
  const able = [...node.machine.containers.values()].filter(mayHold);
  if (able.length === 0) return;
  const container = chance.pick(able);
  const owner = `${container.name} ${chance.random.hex(2)}`;
  const ttlMs = chance.pick([5_000, 20_000, DAY_MS]);
  site.trace.note("holder", `${owner} holds for ${ttlMs} ms`);
  renew(site, node, container, { owner, ttlMs, renewals: chance.pick([0, 2, 10_000]) });
}

interface Holding {
  readonly owner: string;
  readonly ttlMs: number;
  /** 0: it gives the lease back. One whose container ends before that leaves it behind. */
  readonly renewals: number;
}

function renew(site: Site, node: SimNode, container: SimContainer, { owner, ttlMs, renewals }: Holding): void {
  // Written by the agent from a workload id.
  const id = container.labels[LABEL.workload] as WorkloadId;
  if (container.status !== "running") return;
  node.leaseFiles.set(id, { owner, ttlMs });
  site.scheduler.after(Math.min(ttlMs / 2, 20_000), () => {
    if (renewals > 0) renew(site, node, container, { owner, ttlMs, renewals: renewals - 1 });
    else if (container.status === "running" && ttlMs < DAY_MS) node.leaseFiles.delete(id);
  });
}
