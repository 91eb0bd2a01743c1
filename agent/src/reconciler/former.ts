// Former: what this process knew of workloads while they were wanted. A tombstone holds nothing but an id; the order of stops and the
// volumes that stay are known from here, as long as the process lives. Pure.
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { ServiceName, WorkloadId } from "@skerry/shared/model/ids.ts";

interface Known {
  readonly dependsOn: readonly ServiceName[];
  readonly volumes: readonly string[];
}

export interface Former {
  /** The assignment that was taken in last. */
  readonly of: Assignment | null;
  readonly known: ReadonlyMap<WorkloadId, Known>;
}

export const NOTHING_KNOWN: Former = { of: null, known: new Map() };

/** `standing`: workloads of which a container is there; what has neither a container nor a place in the assignment is let go. */
export function takeIn(former: Former, desired: Assignment | null, standing: ReadonlySet<WorkloadId>): Former {
  if (desired === null || desired === former.of) return former;
  const kept = [...former.known].filter(([id]) => standing.has(id));
  const present = desired.workloads.map(({ id, spec }) => {
    const dependsOn = spec.dependsOn.map(({ service }) => service);
    return [id, { dependsOn, volumes: volumesOf(spec.mounts) }] as const;
  });
  return { of: desired, known: new Map([...kept, ...present]) };
}

export function formerDependencies({ known }: Former): ReadonlyMap<WorkloadId, readonly ServiceName[]> {
  return new Map([...known].map(([id, { dependsOn }]) => [id, dependsOn]));
}

/** Named volumes that the removed workload had and no wanted one has: they stay, and somebody may want to know. */
export function volumesLeft({ known }: Former, desired: Assignment | null, removed: WorkloadId): readonly string[] {
  if (desired === null || desired.workloads.some(({ id }) => id === removed)) return [];
  const used = new Set(desired.workloads.flatMap(({ spec }) => volumesOf(spec.mounts)));
  return (known.get(removed)?.volumes ?? []).filter((volume) => !used.has(volume));
}

type Mounts = Assignment["workloads"][number]["spec"]["mounts"];

function volumesOf(mounts: Mounts): readonly string[] {
  return mounts.flatMap((mount) => (mount.kind === "volume" && mount.source !== null ? [mount.source] : []));
}
