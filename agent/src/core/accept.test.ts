// Whether an offered assignment is taken: every refusal, and what a delta and a tombstone do.
import type { Assignment, AssignmentDelta } from "@skerry/shared/model/assignment.ts";
import type { InstallationId, NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { assignmentHash } from "@skerry/shared/protocol/assignment-digest.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assignment, hashOf, INSTALLATION, NODE, tombstone, workload } from "../../../test/unit/agent/scenario.ts";
import { type Acceptance, accept, type Offered, type Signed, wholeOf } from "./accept.ts";

const [a, b, c] = [workload("a"), workload("b"), workload("c")];

/** With its true hash. */
function sealed(content: Assignment): Assignment {
  return { ...content, hash: assignmentHash(content) };
}

function at(generation: number, workloads: Assignment["workloads"], options: Partial<Assignment> = {}): Assignment {
  return sealed(assignment(workloads, { position: { epoch: 1, generation }, ...options }));
}

function offer(
  held: Assignment | null,
  offered: Offered,
  standing: readonly WorkloadId[] = [],
  signed: Signed = "by-hub",
): Acceptance {
  const whole = wholeOf(held, offered);
  const hash = whole === null ? null : assignmentHash(whole);
  return accept(held, offered, { installation: INSTALLATION, node: NODE }, hash, new Set(standing), signed);
}

const whole = (of: Assignment): Offered => ({ kind: "whole", assignment: of });

/** As the hub makes it. */
function delta(from: Assignment, to: Assignment): AssignmentDelta {
  const before = new Map(from.workloads.map((one) => [one.id, JSON.stringify(one)]));
  const names = new Set(to.apps.map(({ name }) => name));
  return {
    ...{ installation: to.installation, node: to.node, position: to.position, hash: to.hash },
    from: from.position,
    fromHash: from.hash,
    setApps: to.apps,
    unsetApps: from.apps.map(({ name }) => name).filter((name) => !names.has(name)),
    setWorkloads: to.workloads.filter((one) => before.get(one.id) !== JSON.stringify(one)),
    retired: to.retired,
  };
}

describe("accept", () => {
  test("[N1] an older position is refused as stale, whatever it says", () => {
    const held = at(5, [a]);
    expect(offer(held, whole(at(4, [a, b])))).toMatchObject({ kind: "refuse", reason: "stale" });
    const newEpoch = sealed({ ...at(1, [a]), position: { epoch: 2, generation: 1 } });
    expect(offer(newEpoch, whole(at(9, [a])))).toMatchObject({ kind: "refuse", reason: "stale" });
    expect(offer(held, whole(newEpoch))).toMatchObject({ kind: "accept" });
  });

  test("[N2] the same position with the same content is held already, with other content it is a fork", () => {
    const held = at(5, [a]);
    expect(offer(held, whole(held))).toEqual({ kind: "already" });
    expect(offer(held, whole(at(5, [a, b])))).toMatchObject({ kind: "refuse", reason: "fork" });
  });

  test("[N3] another installation's or node's assignment is refused as foreign", () => {
    const others = { installation: "i0000000000000002" as InstallationId };
    expect(offer(null, whole(at(1, [a], others)))).toMatchObject({ kind: "refuse", reason: "foreign" });
    const node = { node: "n0000000000000002" as NodeId };
    expect(offer(null, whole(at(1, [a], node)))).toMatchObject({ kind: "refuse", reason: "foreign" });
  });

  test("[N4] content that does not hash to what it says is refused as invalid", () => {
    const bent = { ...at(1, [a]), hash: hashOf("b0") };
    expect(offer(null, whole(bent))).toMatchObject({ kind: "refuse", reason: "invalid" });
  });

  test("[N5] leaving out a held workload without a tombstone is refused as unexplained: empty is not delete", () => {
    const held = at(1, [a, b]);
    const answer = offer(held, whole(at(2, [])));
    expect(answer).toMatchObject({ kind: "refuse", reason: "unexplained" });
    expect(answer).toHaveProperty("message", expect.stringContaining("shop/a/1, shop/b/1"));
    expect(offer(held, whole(at(2, [a])))).toMatchObject({ kind: "refuse", reason: "unexplained" });
    expect(offer(held, whole(at(2, [a], { retired: [tombstone(b.id)] })))).toMatchObject({ kind: "accept" });
  });

  test("[N6] a delta that fits gives what the whole would, and one that does not asks for the whole", () => {
    const held = at(1, [a, b]);
    const to = at(2, [a, c], { retired: [tombstone(b.id)] });
    const step = delta(held, to);
    expect(step.setWorkloads).toEqual([c]);
    expect(offer(held, { kind: "delta", delta: step })).toMatchObject({ kind: "accept", assignment: to });
    const misfits = [
      offer(null, { kind: "delta", delta: step }),
      offer(at(1, [a]), { kind: "delta", delta: step }),
      offer(held, { kind: "delta", delta: { ...step, from: { epoch: 1, generation: 0 } } }),
      offer(held, { kind: "delta", delta: { ...step, setWorkloads: [] } }),
    ];
    expect(misfits).toEqual(misfits.map(() => ({ kind: "need-whole" })));
  });

  test("[N6] a delta between any two assignments gives the second", () => {
    const pool = ["a", "b", "c", "d"].flatMap((name) => [workload(name), workload(name, { hash: "b2" })]);
    const some = fc.uniqueArray(fc.constantFrom(...pool), { selector: ({ id }) => id });
    fc.assert(
      fc.property(some, some, (first, second) => {
        const kept = new Set(second.map(({ id }) => id));
        const retired = first.filter(({ id }) => !kept.has(id)).map(({ id }) => tombstone(id));
        const held = at(1, first);
        const to = at(2, second, { retired: retired.sort((x, y) => (x.id < y.id ? -1 : 1)) });
        expect(offer(held, { kind: "delta", delta: delta(held, to) })).toMatchObject({
          kind: "accept",
          assignment: to,
        });
      }),
    );
  });

  test("[N7] a tombstone outlives its assignment, and ends when its workload is wanted again", () => {
    const held = at(2, [a], { retired: [tombstone(b.id)] });
    const next = at(3, [a]);
    const kept = { kind: "accept", assignment: { retired: [tombstone(b.id)], hash: next.hash } };
    expect(offer(held, whole(next), [b.id])).toMatchObject(kept);
    expect(offer(held, whole(next), [])).toMatchObject(kept);
    expect(offer(held, whole(at(3, [a, b])), [b.id])).toMatchObject({ assignment: { retired: [] } });
  });

  test("[N7] of tombstones without a recorded container the 200 newest are kept", () => {
    const old = Array.from({ length: 300 }, (_, n) => ({ ...tombstone(workload(`s${n}`).id), generation: n }));
    const answer = offer(at(400, [a], { retired: old }), whole(at(401, [a])), [workload("s0").id]);
    const retired = answer.kind === "accept" ? answer.assignment.retired : [];
    expect(retired).toHaveLength(201);
    expect(Math.min(...retired.map(({ generation }) => generation).filter((generation) => generation > 0))).toBe(100);
  });
});
