// What a simulated node says of itself and of what it was given: everything runs and is good at once.
import type { Position, Workload } from "@skerry/shared/model/assignment.ts";
import type { NodeFacts } from "@skerry/shared/model/node.ts";
import { plainStatus } from "@skerry/shared/model/plain.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { ToHub } from "@skerry/shared/protocol/to-hub.ts";

export function reportOf(
  observed: Position,
  workloads: readonly Workload[],
  whole: boolean,
  number: number,
): Extract<ToHub, { type: "report" }>["report"] {
  return {
    whole,
    observed,
    workloads: workloads.map(
      (workload): WorkloadStatus => ({
        id: workload.id,
        revision: workload.revision,
        specHash: workload.specHash,
        state: { kind: "running", health: "none" },
        forMs: 0,
        containerId: `c${number}-${workload.id}-${workload.specHash.slice(0, 8)}`,
        imageId: null,
        restarts: 0,
        ...plainStatus,
        // Whatever it is given is good at once.
        gate: { kind: "passed" },
        gateFor: { specHash: workload.specHash, attempt: workload.changeOver.attempt },
      }),
    ),
    gone: [],
    facts: whole ? facts(`crowd-${String(number).padStart(4, "0")}`) : null,
    figures: null,
    ports: whole ? [] : null,
    conditions: whole ? [] : null,
  };
}

export function facts(hostname: string): NodeFacts {
  return {
    hostname,
    arch: "arm64",
    os: "Debian GNU/Linux 12",
    kernel: "6.6.31",
    model: "Raspberry Pi 5 Model B Rev 1.0",
    cores: 4,
    memoryBytes: 4_294_967_296,
    diskBytes: 32_000_000_000,
    engineVersion: "20.10.24",
    engineApiVersion: "1.41",
    agentVersion: "0.0.0-crowd",
    metered: false,
  };
}
