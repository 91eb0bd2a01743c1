// The hub's side of trust on real sessions: signatures, revocation, freezing, late hellos.

import { assignmentHash } from "@skerry/shared/protocol/assignment-digest.ts";
import { keptText, openStreamText } from "@skerry/shared/protocol/hub-word.ts";
import { assignmentText } from "@skerry/shared/protocol/signed-assignment.ts";
import { CLOSE } from "@skerry/shared/protocol/version.ts";
import { isSignedBy, publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import { describe, expect, test } from "vitest";
import { applyDelta } from "../../../hub/src/core/assign.ts";
import { appSpec } from "./scenario.ts";
import { HUB_KEY, keyOf, smallHub } from "./small-hub.ts";

const web = (image = "web:1") => appSpec("shop", { name: "web", image, replicas: "global" });

test("[L340] [L341] what is sent is signed, whole and delta, and the hash covers the very content", () => {
  const signed: string[] = [];
  const hub = smallHub({
    sign: (text) => {
      signed.push(text);
      return signText(HUB_KEY, text);
    },
  });
  const node = hub.join("pi");
  const agent = hub.agent(node);
  hub.apply(web());
  hub.clock.run(0);
  const [whole] = agent.all("assign");
  if (whole === undefined) throw new Error("nothing was sent");
  expect(isSignedBy(publicKeyOf(HUB_KEY), assignmentText(whole.assignment), whole.signature)).toBe(true);
  expect(assignmentHash(whole.assignment)).toBe(whole.assignment.hash);
  agent.accept();
  hub.apply(web("web:2"));
  hub.clock.run(0);
  const [step] = agent.all("assign-delta");
  if (step === undefined) throw new Error("no delta was sent");
  expect(isSignedBy(publicKeyOf(HUB_KEY), assignmentText(step.delta), step.signature)).toBe(true);
  expect(assignmentHash(applyDelta(whole.assignment, step.delta))).toBe(step.delta.hash);
  // One of each was sent, and nothing else was signed, but its mark.
  expect(signed.map((text) => text.split("\n")[0])).toEqual([
    "skerry kept 3",
    "skerry assignment 3",
    "skerry assignment 3",
  ]);
  expect(new Set(signed).size).toBe(3);
});

test("[L342] a revoked node's connection is closed at once, and its key is refused and told so to nobody else", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  const agent = hub.agent(node);
  expect(hub.submit({ kind: "revoke-node", node }).ok).toBe(true);
  expect(agent.closed?.code).toBe(CLOSE.revoked);
  expect(hub.link.connected()).toBe(0);
  expect(hub.agent(node).closed?.code).toBe(CLOSE.revoked);
  const stranger = hub.agent(node, { signature: signText(keyOf("other"), "anything") });
  expect(stranger.closed?.code).toBe(CLOSE.notAuthenticated);
  const again = hub.submit({
    kind: "join-node",
    ...{ publicKey: publicKeyOf(keyOf("pi")), name: "pi" as never, labels: {}, facts: null, tokenId: "t1" },
  });
  expect(again).toMatchObject({ ok: false, error: { refusal: { code: "key-revoked" } } });
});

test("[L343] (H22) a copy of the disk that comes while the machine is away freezes both, and unfreezing lets one in", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  const agent = hub.agent(node);
  const [welcome] = agent.all("welcome");
  const mark = welcome?.mark ?? null;
  if (mark === null) throw new Error("no mark was handed out");
  agent.say({ type: "marked", mark });
  agent.wire.far.close(1006, "off");
  hub.clock.run(120_000);
  // The copy has the same mark, and gets the next one.
  const copy = hub.agent(node, { mark, bootId: "boot-2", runId: "run-2" });
  const next = copy.all("welcome")[0]?.mark ?? null;
  if (next === null) throw new Error("the copy is given a mark");
  copy.say({ type: "marked", mark: next });
  hub.clock.run(0);
  copy.wire.far.close(1006, "off");
  const back = hub.agent(node, { mark, runId: "run-3" });
  expect(back.closed?.code).toBe(CLOSE.frozen);
  expect(back.all("welcome")).toEqual([]);
  expect(hub.agent(node, { mark: next, bootId: "boot-2", runId: "run-2" }).closed?.code).toBe(CLOSE.frozen);
  expect(hub.eventKinds().filter((kind) => kind === "clone-detected")).toHaveLength(1);
  expect(hub.submit({ kind: "unfreeze-node", node }).ok).toBe(true);
  expect(hub.agent(node, { mark, runId: "run-4" }).all("welcome")).toHaveLength(1);
});

describe("what a node is to keep", () => {
  const [A, B] = ["a".repeat(64), "b".repeat(64)];
  const fresh = "4".repeat(32);

  test("[L353] pins and mark come signed for this connection and in their order, and not at all to a node that has them", () => {
    let pins = [A];
    const signed: string[] = [];
    const sign = (text: string): string => {
      signed.push(text);
      return signText(HUB_KEY, text);
    };
    const hub = smallHub({ pins: () => pins, sign });
    const node = hub.join("pi");
    const signer = { installation: hub.loop.world.installation, node };
    const isHubs = (text: string, signature: string | undefined): boolean =>
      isSignedBy(publicKeyOf(HUB_KEY), text, signature ?? "");
    const agent = hub.agent(node, { fresh });
    const [welcome] = agent.all("welcome");
    if (welcome?.mark === undefined || welcome.mark === null) throw new Error("no mark was handed out");
    const { mark } = welcome;
    expect(isHubs(keptText(signer, { fresh, count: 1 }, [A], mark), welcome.signature)).toBe(true);
    agent.say({ type: "marked", mark });
    hub.clock.run(0);
    pins = [A, B];
    hub.link.tellPins();
    const [told] = agent.all("pins");
    expect(told).toMatchObject({ pins, count: 2 });
    expect(isHubs(keptText(signer, { fresh, count: 2 }, pins, null), told?.signature)).toBe(true);
    agent.wire.far.close(1006, "off");
    const before = signed.length;
    const again = hub.agent(node, { fresh, mark, pins });
    const [second] = again.all("welcome");
    expect(second).toMatchObject({ mark: null });
    expect([second?.pins, second?.signature, signed.length]).toEqual([undefined, undefined, before]);
  });

  test("[L354] a wish for a stream socket is signed for its connection", () => {
    const hub = smallHub();
    const node = hub.join("pi");
    const agent = hub.agent(node, { fresh });
    expect(hub.link.openStream(node, "t1")).toBe(true);
    const [asked] = agent.all("open-stream");
    const text = openStreamText({ installation: hub.loop.world.installation, node }, fresh, "t1");
    expect(isSignedBy(publicKeyOf(HUB_KEY), text, asked?.signature ?? "")).toBe(true);
  });
});

test("[L344] a hello that was late on its way freezes nothing", () => {
  const hub = smallHub();
  const node = hub.join("pi");
  const late = hub.agent(node, null);
  const agent = hub.agent(node, { runId: "run-2" });
  const mark = agent.all("welcome")[0]?.mark;
  if (mark === null || mark === undefined) throw new Error("no mark was handed out");
  agent.say({ type: "marked", mark });
  hub.clock.run(0);
  const text = late.toSign(node);
  late.say({
    ...{ type: "hello", protocol: 3, protocolMinimum: 3, node, signature: signText(keyOf("pi"), text) },
    ...{ bootId: "boot-1", runId: "run-1", agentVersion: "t", have: null, mark: null },
  });
  hub.clock.run(0);
  expect(late.all("goodbye")).toHaveLength(1);
  expect(agent.closed).toBeNull();
  expect(hub.loop.world.nodes.get(node)?.standing).toBe("member");
});
