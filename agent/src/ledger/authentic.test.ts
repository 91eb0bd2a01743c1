// A ledger that somebody edited on the card is not the hub's word any more.
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { assignmentHash } from "@skerry/shared/protocol/assignment-digest.ts";
import { assignmentText } from "@skerry/shared/protocol/signed-assignment.ts";
import { publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import { describe, expect, test } from "vitest";
import { anIdentity } from "../../../test/contract/ledger-samples.ts";
import { assignment, tombstone, workload } from "../../../test/unit/agent/scenario.ts";
import { assignmentFault } from "./authentic.ts";
import { MemoryDisk, openMemoryLedger } from "./memory.ts";

const HUB = "ab".repeat(32);
const identity = { ...anIdentity, hubKey: publicKeyOf(HUB) };
const [a, b] = [workload("a"), workload("b")];

const content = assignment([a], { installation: identity.installation, node: identity.node });
const honest: Assignment = { ...content, hash: assignmentHash(content) };
const seal = { signature: signText(HUB, assignmentText(honest)), carried: [] as WorkloadId[] };
const isWhole = (changed: Partial<Assignment>, carried: readonly WorkloadId[] = []): boolean =>
  assignmentFault({ identity, assignment: { ...honest, ...changed }, seal: { ...seal, carried } }) === null;

describe("what a ledger holds", () => {
  test("[G340] what the hub signed is whole, also with tombstones that were carried over", () => {
    expect(isWhole({})).toBe(true);
    expect(isWhole({ retired: [tombstone(b.id)] }, [b.id])).toBe(true);
  });

  test.each<[string, Partial<Assignment>]>([
    ["a raised position", { position: { epoch: 1, generation: 9 } }],
    ["another image", { workloads: [{ ...a, spec: { ...a.spec, image: "evil:1" } }] }],
    [
      "another image to go back to",
      {
        workloads: [
          {
            ...a,
            changeOver: {
              ...a.changeOver,
              previous: { revision: 1, specHash: a.specHash, spec: a.spec, probes: null },
            },
          },
        ],
      },
    ],
    ["a workload more", { workloads: [a, b] }],
    ["a workload less", { workloads: [] }],
    ["a tombstone", { retired: [tombstone(b.id)] }],
    ["a network", { apps: [] }],
    ["another node's", { node: "n00000000000000ff" as NodeId }],
    ["a made-up hash", { hash: assignmentHash({ ...honest, workloads: [b] }), workloads: [b] }],
  ])("[G340] %s is seen", (_what, changed) => expect(isWhole(changed)).toBe(false));

  test("[G340] a carried tombstone cannot remove what the hub wants, and a missing or another's signature is none", () => {
    expect(isWhole({ retired: [tombstone(a.id)] }, [a.id])).toBe(false);
    expect(assignmentFault({ identity, assignment: honest, seal: null })).toMatch(/changed/);
    const other = { ...seal, signature: signText("cd".repeat(32), assignmentText(honest)) };
    expect(assignmentFault({ identity, assignment: honest, seal: other })).toMatch(/not signed/);
    expect(assignmentFault({ identity: anIdentity, assignment: honest, seal: null })).toBeNull();
  });

  test("[G340] an edited ledger starts empty and says why, and the node stays who it is", () => {
    const disk = new MemoryDisk();
    openMemoryLedger(disk).ledger.commit([
      { kind: "identity", identity },
      { kind: "assignment", assignment: { ...honest, workloads: [a, b] }, seal },
    ]);
    const { ledger, rebuilt } = openMemoryLedger(disk);
    expect(rebuilt).toBe("the ledger was damaged: its assignment was changed");
    expect(ledger.content()).toMatchObject({ identity: { node: identity.node }, assignment: null });
  });
});
