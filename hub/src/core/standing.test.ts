// Whether a node is trusted: approval before anything is given to it, and revocation with what it leaves behind.
import { describe, expect, test } from "vitest";
import { nodeId, Scenario } from "../../../test/unit/hub/scenario.ts";
import { countLost } from "./brake.ts";
import { handle } from "./handle.ts";

const [first, second] = [nodeId(1), nodeId(2)];

describe("approval", () => {
  const pending = (): Scenario => {
    const s = new Scenario();
    s.approval = true;
    s.join();
    s.applyApp("everywhere", { replicas: "global" });
    s.applyApp("one", {});
    return s;
  };

  test("[H340] a pending node holds nothing, lacks nothing and is assigned nothing", () => {
    const s = pending();
    expect(s.world.nodes.get(first)).toMatchObject({ standing: "pending", assigned: { generation: 0 } });
    expect(s.world.placements.size).toBe(0);
    expect([...s.world.unplaced.values()].map(({ app, refusals }) => [app, refusals[0]?.kind])).toEqual([
      ["one", "pending"],
    ]);
    expect(s.assignment(first)).toBeNull();
    expect(s.log.some((one) => one.kind === "hub-event" && one.event.kind === "node-pending")).toBe(true);
    expect(countLost(s.world, s.now)).toEqual({ lost: 0, nodes: 0 });
  });

  test("[H340] it may not speak of an assignment", () => {
    const s = pending();
    const position = { epoch: 1, generation: 0 };
    expect(s.frame(first, { type: "accepted", position, hash: "0".repeat(64) as never })).toMatch(/not approved/);
  });

  test("[H341] approved, it gets what it should run; approving again changes nothing", () => {
    const s = pending();
    expect(s.send({ kind: "approve-node", node: first })).toBeNull();
    expect([...s.world.placements.values()].map(({ app }) => app).sort()).toEqual(["everywhere", "one"]);
    const again = { kind: "approve-node", node: first } as const;
    const result = handle(s.world, again, s.context(again));
    expect(result).toMatchObject({ ok: true, value: { changes: [], outcome: { changed: false } } });
    expect(s.send({ kind: "approve-node", node: second })).toMatchObject({ code: "not-found" });
    expect(s.send({ kind: "unfreeze-node", node: first })).toBeNull();
  });
});

describe("revocation", () => {
  test("[H342] its copies are placed elsewhere; a fenced one waits as long as it may still run there", () => {
    const s = new Scenario();
    s.join();
    s.applyApp("free", {});
    s.applyApp("single", { disconnect: { policy: "fence", afterMs: 30_000 } });
    s.obeyAll();
    s.join();
    expect(s.send({ kind: "revoke-node", node: first })).toBeNull();
    expect(s.world.nodes.has(first)).toBe(false);
    const where = (): (string | undefined)[] =>
      ["free", "single"].map((app) => [...s.world.placements.values()].find((one) => one.app === app)?.node);
    expect(where()).toEqual([second, undefined]);
    s.pass(120_000, second);
    expect(where()).toEqual([second, second]);
    expect(s.log.some((one) => one.kind === "key-revoked" && one.key.node === first)).toBe(true);
  });

  test("[H343] a revoked key joins no more, whatever the token, and the refusal says what to do", () => {
    const s = new Scenario();
    const join = {
      kind: "join-node",
      publicKey: "a".repeat(64) as never,
      name: "pi" as never,
      labels: {},
      facts: null,
      tokenId: "t",
    } as const;
    const said = { node: first, name: "van-7" as never, revokedAtMs: 0, revokedBy: "anna", why: "revoked" } as const;
    const key = { publicKey: join.publicKey, ...said };
    const result = handle(s.world, join, { ...s.context(join), revoked: key });
    expect(result).toMatchObject({ ok: false, error: { code: "key-revoked" } });
    if (!result.ok) {
      expect(result.error.message).toMatch(/van-7, .* ago by anna/);
      expect(result.error.hint).toMatch(/data folder/);
    }
  });
});
