// Commands: what becomes of each, and why it is refused.
import type { NodeName, PublicKey } from "@skerry/shared/model/ids.ts";
import { describe, expect, test } from "vitest";
import { appName, appSpec, facts, nodeId, Scenario } from "../../../test/unit/hub/scenario.ts";
import type { Command, CommandContext } from "./command.ts";
import { handle } from "./handle.ts";

const join = (name: string, labels: Readonly<Record<string, string>> = {}): Command => ({
  kind: "join-node",
  publicKey: "c" as PublicKey,
  name: name as NodeName,
  labels,
  facts,
  tokenId: "t",
});
const apply = (ifRevision: number | null, image = "web:1"): Command => ({
  kind: "apply-app",
  retry: false,
  force: false,
  spec: appSpec("a", { image }),
  source: "",
  ifRevision,
});

function outcome(s: Scenario, command: Command, context: Partial<CommandContext> = {}) {
  const result = handle(s.world, command, { ...s.context(command), ...context });
  return result.ok ? { ...result.value.outcome, changes: result.value.changes.length } : result.error;
}

describe("apps", () => {
  test("[H80] the same spec makes no revision, another the next, also after a removal", () => {
    const s = new Scenario();
    s.send(apply(null));
    expect(outcome(s, apply(null))).toMatchObject({ revision: 1, unchanged: true, created: false, changes: 0 });
    expect(outcome(s, apply(null, "web:2"))).toMatchObject({ revision: 2, unchanged: false, created: false });
    s.removeApp("a");
    expect(outcome(s, apply(null))).toMatchObject({ revision: 2, created: true });
  });

  test("[H81] ifRevision refuses over any other revision, and says what to do", () => {
    const s = new Scenario();
    expect(outcome(s, apply(1))).toMatchObject({
      code: "conflict",
      message: expect.stringContaining("does not exist"),
    });
    expect(outcome(s, apply(0))).toMatchObject({ created: true });
    s.send(apply(0));
    expect(outcome(s, apply(0, "x"))).toMatchObject({ code: "conflict", path: "ifRevision" });
    expect(outcome(s, apply(1, "x"))).toMatchObject({ revision: 2 });
    expect(outcome(s, { kind: "remove-app", app: appName("a"), ifRevision: 2 })).toMatchObject({ code: "conflict" });
    expect(outcome(s, { kind: "remove-app", app: appName("b"), ifRevision: null })).toMatchObject({
      code: "not-found",
    });
  });
});

describe("nodes and tokens", () => {
  test("[H82] joining twice with one key is joining once; a bad token is refused", () => {
    const s = new Scenario();
    s.send(join("pi"));
    expect(outcome(s, join("pi"), { keyHolder: nodeId(1), token: null })).toMatchObject({
      node: nodeId(1),
      repeated: true,
      changes: 0,
    });
    const token = s.context(join("pi")).token;
    if (token === null) throw new Error("a scenario has a token");
    expect(outcome(s, join("x"), { token: null })).toMatchObject({ code: "token-refused" });
    expect(outcome(s, join("x"), { token: { ...token, usesLeft: 0 } })).toMatchObject({ code: "token-refused" });
    expect(outcome(s, join("x"), { token: { ...token, expiresAtMs: 1_000 } })).toMatchObject({ code: "token-refused" });
  });

  test("[H83] a name that is taken gets a number; the token's labels win", () => {
    const s = new Scenario();
    s.send(join("pi"));
    s.send(join("pi"));
    expect(outcome(s, join("pi"))).toMatchObject({ name: "pi-3" });
    const long = "a".repeat(63);
    s.send(join(long));
    expect(outcome(s, join(long))).toMatchObject({ name: `${"a".repeat(61)}-2` });
    const token = s.context(join("x")).token;
    if (token === null) throw new Error("a scenario has a token");
    const result = handle(s.world, join("x", { site: "mine", rack: "1" }), {
      ...s.context(join("x")),
      token: { ...token, labels: { site: "shop" } },
    });
    expect(result.ok ? result.value.changes[0] : null).toMatchObject({ node: { labels: { rack: "1", site: "shop" } } });
  });

  test.each([
    [{ kind: "set-node-labels", node: nodeId(1), set: { "a b": "x" }, unset: [] }, "invalid"],
    [{ kind: "set-node-labels", node: nodeId(1), set: { a: "x\u001b[0m" }, unset: [] }, "invalid"],
    [{ kind: "set-node-labels", node: nodeId(2), set: {}, unset: [] }, "not-found"],
    [
      { kind: "set-availability", node: nodeId(2), availability: "cordoned", reason: "", drainForMs: null },
      "not-found",
    ],
    [{ kind: "remove-node", node: nodeId(2) }, "not-found"],
    [{ kind: "create-token", uses: 0, expiresInMs: 60_000, labels: {} }, "invalid"],
    [{ kind: "create-token", uses: 1, expiresInMs: 1, labels: {} }, "invalid"],
  ] as readonly [Command, string][])("[H82] a command that cannot be carried out says so: %j", (command, code) => {
    const s = new Scenario();
    s.join();
    expect(outcome(s, command)).toMatchObject({ code, hint: expect.stringMatching(/\w/) });
  });
});
