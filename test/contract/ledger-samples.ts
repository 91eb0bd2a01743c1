// Values to put into a ledger.
import type { WorkloadMemory } from "@skerry/agent/core/memory.ts";
import type { Identity } from "@skerry/agent/ledger/ledger.ts";
import { type Assignment, assignmentSchema } from "@skerry/shared/model/assignment.ts";
import { defaultContainerSpec } from "@skerry/shared/model/container.ts";
import { installationIdSchema, nodeIdSchema, specHashSchema, workloadIdSchema } from "@skerry/shared/model/ids.ts";

export const WEB = workloadIdSchema.parse("shop/web/1");
const HASH = specHashSchema.parse("a".repeat(64));

export const anIdentity: Identity = {
  node: nodeIdSchema.parse("n0123456789abcdef"),
  name: "till-1",
  installation: installationIdSchema.parse("i0123456789abcdef"),
  privateKey: "c".repeat(64),
  hubUrl: "http://127.0.0.1:7443",
  hubKey: null,
  mark: null,
  pins: [],
  ...{ nextKey: null, keyStep: 0, labelSecret: null, formerBoxKeys: [] },
  binding: "none",
  tokens: [],
};

export const aWorkloadMemory: WorkloadMemory = {
  specHash: HASH,
  failures: 2,
  nextTry: { bootId: "boot-1", atMs: 12.5, delayMs: 4_000 },
  during: "run",
  reason: "ended with an error (exit 1)",
  lastExit: { code: 1, oom: false, error: "", ranMs: 20 },
  restarts: 2,
  ended: null,
  pullFailure: null,
  refusedWith: "a".repeat(32),
  pulled: false,
  countedExit: "c1 2026",
  gate: {
    specHash: HASH,
    attempt: 1,
    verdict: {
      kind: "failed",
      reason: "unhealthy",
      revertedTo: { revision: 1, specHash: HASH, spec: { ...defaultContainerSpec, image: "shop/web:0" }, probes: null },
    },
    own: { spentMs: 4, since: { bootId: "boot-1", atMs: 12.5 } },
    good: null,
    held: { spentMs: 0, since: null },
    heldBy: "till",
  },
  runs: [
    {
      exit: { code: 137, oom: true, error: "", ranMs: 20 },
      words: "killed by the kernel at its memory limit of 32 MB (exit 137)",
      tail: ["one", "two"],
      ...{ failures: 2, bootId: "boot-1", atMs: 12.5 },
    },
  ],
  restartsDone: 3,
  endRun: null,
  stoppedRun: "c0 2025",
  stopped: false,
};

export function anAssignment(generation: number): Assignment {
  return assignmentSchema.parse({
    installation: anIdentity.installation,
    node: anIdentity.node,
    position: { epoch: 1, generation },
    hash: HASH,
    apps: [{ name: "shop", networks: [], volumes: [] }],
    workloads: [
      {
        id: WEB,
        app: "shop",
        service: "web",
        slot: "1",
        revision: 1,
        specHash: HASH,
        spec: { ...defaultContainerSpec, image: "shop/web:1" },
        disconnect: { policy: "keep" },
        fencingToken: 0,
      },
    ],
    retired: [],
  });
}
