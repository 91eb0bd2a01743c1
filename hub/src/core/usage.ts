// What placements set aside on a node: the one place that adds and takes away. Pure.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { HeldPort, Usage } from "./world.ts";

export const NO_USAGE: Usage = { workloads: 0, memoryBytes: 0, nanoCpus: 0, ports: [], tightestAfterMs: null };

/** Ports that a copy of `service` takes on its node. A port that the engine chooses conflicts with nothing. */
export function hostPorts(service: ServiceSpec, workload: WorkloadId): readonly HeldPort[] {
  const held: HeldPort[] = [];
  for (const { hostPort, protocol, hostIp } of service.container.ports)
    if (hostPort !== null) held.push({ workload, port: hostPort, protocol, hostIp });
  return held;
}

export function afterMs(service: ServiceSpec): number | null {
  return service.disconnect.policy === "keep" ? null : service.disconnect.afterMs;
}

export function tighter(a: number | null, b: number | null): number | null {
  if (a === null) return b;
  return b === null ? a : Math.min(a, b);
}

/** `service` null: a placement whose spec is gone, about to be removed; it counts as a workload and no more. */
export function withWorkload(usage: Usage, workload: WorkloadId, service: ServiceSpec | null): Usage {
  if (service === null) return { ...usage, workloads: usage.workloads + 1 };
  const ports = hostPorts(service, workload);
  return {
    workloads: usage.workloads + 1,
    memoryBytes: usage.memoryBytes + (service.reservedMemoryBytes ?? 0),
    nanoCpus: usage.nanoCpus + (service.reservedNanoCpus ?? 0),
    ports: ports.length === 0 ? usage.ports : [...usage.ports, ...ports],
    tightestAfterMs: tighter(usage.tightestAfterMs, afterMs(service)),
  };
}

/** `tightestAfterMs` is left as it was: whoever takes away works it out anew from what remains, if that one was the tightest. */
export function withoutWorkload(usage: Usage, workload: WorkloadId, service: ServiceSpec | null): Usage {
  if (service === null) return { ...usage, workloads: usage.workloads - 1 };
  return {
    workloads: usage.workloads - 1,
    memoryBytes: usage.memoryBytes - (service.reservedMemoryBytes ?? 0),
    nanoCpus: usage.nanoCpus - (service.reservedNanoCpus ?? 0),
    ports: usage.ports.some((port) => port.workload === workload)
      ? usage.ports.filter((port) => port.workload !== workload)
      : usage.ports,
    tightestAfterMs: usage.tightestAfterMs,
  };
}
