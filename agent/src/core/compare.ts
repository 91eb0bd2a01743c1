// Compare: the short list of facts that outside edits change, as they should be and as they are. The spec hash covers everything else:
// what an engine says of a container is never compared with the spec field by field. Pure.
import type { ContainerSpec } from "@skerry/shared/model/container.ts";
import { confined } from "@skerry/shared/policy/confined.ts";
import type { ContainerDetails } from "../engine/engine.ts";

export type Limits = ContainerDetails["limits"];

/** What the engine will say of a container made from this spec. Its restart policy is always "no": the agent restarts. */
export function expectedLimits(spec: ContainerSpec): Limits {
  return {
    memoryBytes: spec.memoryBytes ?? 0,
    nanoCpus: spec.nanoCpus ?? 0,
    cpuShares: spec.cpuShares ?? 0,
    pidsLimit: confined(spec).pidsLimit,
    restartPolicy: "no",
  };
}

/** The text kept in the `limits` label at creation and compared later. "No limit" has several spellings in engines; here it has one. */
export function limitsText(limits: Limits): string {
  const pids = limits.pidsLimit === null || limits.pidsLimit <= 0 ? 0 : limits.pidsLimit;
  const policy = limits.restartPolicy === "" ? "no" : limits.restartPolicy;
  return `memory=${limits.memoryBytes} cpus=${limits.nanoCpus} shares=${limits.cpuShares} pids=${pids} restart=${policy}`;
}

/**
 * null: as recorded. Otherwise what differs, in words. A limit that shows as none is no edit: an engine without the control group for it
 * (a Pi as delivered has none for memory) discards the limit with a warning, and replacing the container would go on for ever.
 */
export function limitsDrift(recorded: string, limits: Limits): string | null {
  if (recorded === "") return null;
  const before = new Set(recorded.split(" "));
  const edited = limitsText(limits)
    .split(" ")
    .filter((part) => !before.has(part) && !part.endsWith("=0"));
  return edited.length === 0 ? null : `limits were edited (${edited.join(", ")})`;
}
