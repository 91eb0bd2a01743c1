// What a node takes from a hub: only what is signed for it. And what it keeps and says when its key is revoked, frozen, or marked anew.
import { MAX_FORMER_BOX_KEYS } from "@skerry/agent/link/roll-key.ts";
import { keyTakenText, openStreamText, rollKeyText } from "@skerry/shared/protocol/hub-word.ts";
import { helloText, nextKeyText } from "@skerry/shared/protocol/proof.ts";
import { CLOSE } from "@skerry/shared/protocol/version.ts";
import { isSignedBy, publicKeyOf, signText } from "@skerry/shared/runtime/signature.ts";
import { describe, expect, test } from "vitest";
import {
  assign,
  assignDelta,
  FRESH,
  HUB_PRIVATE_KEY,
  linkKit,
  NONCE,
  sealed,
  signedKept,
  theIdentity,
  welcome,
} from "./link-kit.ts";
import { settle } from "./manual-clock.ts";

const OTHER_HUB = "cd".repeat(32);

describe("signed assignments", () => {
  test("[K340] another hub's signature is refused; what is held goes on, and a condition and one event say so", async () => {
    const kit = linkKit();
    const wire = await kit.connect();
    wire.say(assign(sealed(1)));
    for (let time = 0; time < 3; time += 1) wire.say(assign(sealed(2), OTHER_HUB));
    expect(wire.frames("refused").map(({ reason }) => reason)).toEqual(["unsigned", "unsigned", "unsigned"]);
    expect(kit.ledger.content().assignment?.position.generation).toBe(1);
    expect(kit.link.conditions()).toMatchObject([
      { kind: "assignment-refused", message: expect.stringContaining("not signed") },
    ]);
    expect(kit.ledger.content().outbox.filter(({ event }) => event.kind === "assignment-refused")).toHaveLength(1);
    wire.say(assign(sealed(3)));
    expect(kit.ledger.content().assignment?.position.generation).toBe(3);
    expect(kit.link.conditions()).toEqual([]);
  });

  test("[K340] (H19) (H20) a good signature of something else carries nothing: another node, another content, a delta's other half", async () => {
    const kit = linkKit();
    const wire = await kit.connect();
    wire.say(assign(sealed(1, { node: "n00000000000000ff" as never })));
    const honest = sealed(2);
    const bent = {
      ...honest,
      workloads: honest.workloads.map((one) => ({ ...one, spec: { ...one.spec, image: "evil:1" } })),
    };
    wire.say(assign(bent));
    expect(wire.frames("refused").map(({ reason }) => reason)).toEqual(["foreign", "invalid"]);
    wire.say(assign(honest));
    const next = sealed(3, { workloads: [] });
    const { installation, node, position, hash } = next;
    const from = { from: honest.position, fromHash: honest.hash };
    wire.say(
      assignDelta(
        {
          ...{ installation, node, position, hash, ...from },
          ...{ setApps: [], unsetApps: [], setWorkloads: [], retired: [] },
        },
        OTHER_HUB,
      ),
    );
    expect(wire.frames("refused").at(-1)?.reason).toBe("unsigned");
    expect(kit.ledger.content()).toMatchObject({ assignment: { position: { generation: 2 } }, seal: { carried: [] } });
  });

  test("[K341] a node that knows no hub's key takes nothing new, keeps what it has, and says what to do", async () => {
    const kit = linkKit({ identity: { ...theIdentity, hubKey: null } });
    kit.ledger.commit([{ kind: "assignment", assignment: sealed(1), seal: null }]);
    const wire = await kit.connect();
    wire.say(assign(sealed(2), HUB_PRIVATE_KEY));
    expect(wire.frames("refused")).toMatchObject([
      { reason: "unsigned", message: expect.stringContaining("join it anew") },
    ]);
    expect(kit.ledger.content().assignment?.position.generation).toBe(1);
  });
});

describe("marks", () => {
  const mark = { count: 3, value: "3".repeat(32) };

  test("[K343] a mark is durable before it is answered, shown at the next connection, and none is written without a new one", async () => {
    const kit = linkKit();
    kit.link.start();
    await Promise.resolve();
    const wire = await kit.connect();
    const before = kit.disk.commits;
    wire.say(welcome());
    expect(kit.disk.commits).toBe(before);
    wire.end(1006);
    const again = await kit.redial();
    const durable: boolean[] = [];
    const send = again.send.bind(again);
    again.send = (text) => {
      if (text.includes('"marked"')) durable.push(kit.disk.content().identity?.mark?.count === 3);
      send(text);
    };
    again.say(welcome({ mark }));
    expect(durable).toEqual([true]);
    expect(again.frames("marked")).toEqual([{ type: "marked", mark }]);
    again.end(1006);
    expect((await kit.redial()).frames("hello")[0]?.mark).toEqual(mark);
  });

  test("[K343] one that could not be kept is not answered, and the one before is shown again", async () => {
    const kit = linkKit();
    kit.disk.onCommit = () => "full";
    kit.link.start();
    const wire = await kit.connect();
    wire.end(1006);
    const again = await kit.redial();
    again.say(welcome({ mark }));
    expect(again.frames("marked")).toEqual([]);
    expect(again.frames("beat")).toHaveLength(1);
    kit.disk.onCommit = () => "written";
    again.end(1006);
    expect((await kit.redial()).frames("hello")[0]?.mark).toBeNull();
  });
});

describe("what is kept by the hub's word", () => {
  const mark = { count: 3, value: "3".repeat(32) };
  const [A, B, C] = ["a".repeat(64), "b".repeat(64), "c".repeat(64)];
  const pinned = { ...theIdentity, pins: [A] };
  const greeted = async () => {
    const kit = linkKit({ identity: pinned });
    kit.link.start();
    await settle();
    return kit;
  };

  test.each([
    ["without a signature", { signature: undefined }],
    ["another's signature", { signature: signedKept({ pins: [A, B], mark }, 1, OTHER_HUB) }],
    ["the signature of another connection", { signature: signedKept({ pins: [A, B], mark }, 1, HUB_PRIVATE_KEY, C) }],
    ["the signature of other pins", { signature: signedKept({ pins: [A, C], mark }) }],
    ["the signature of another mark", { signature: signedKept({ pins: [A, B], mark: { ...mark, count: 4 } }) }],
    ["the signature of the pins alone", { signature: signedKept({ pins: [A, B] }) }],
    ["a signature for later", { signature: signedKept({ pins: [A, B], mark }, 2) }],
  ])("[K353] %s: neither pins nor mark are kept, and the connection goes on", async (_what, more) => {
    const kit = await greeted();
    const { signature, ...said } = { ...welcome({ pins: [A, B], mark }), ...more } as Extract<
      ReturnType<typeof welcome>,
      { type: "welcome" }
    >;
    kit.wire.say(signature === undefined ? said : { ...said, signature });
    expect(kit.ledger.content().identity).toMatchObject({ pins: [A], mark: null });
    expect([kit.wire.frames("pins-kept"), kit.wire.frames("marked")]).toEqual([[], []]);
    expect(kit.wire.frames("beat")).toHaveLength(1);
    kit.wire.end(1006);
    expect((await kit.redial()).frames("hello")[0]).toMatchObject({ pins: [A], mark: null });
  });

  test("[K353] what was said before on the same connection is not taken again", async () => {
    const kit = await greeted();
    kit.wire.say(welcome({ pins: [A, B] }));
    const pins = (said: string[], count: number) =>
      kit.wire.say({ type: "pins", pins: said, count, signature: signedKept({ pins: said }, count) });
    pins([A, C], 2);
    expect(kit.ledger.content().identity?.pins).toEqual([A, C]);
    pins([A, B], 1);
    pins([A, B], 2);
    pins([A, B], 4);
    expect(kit.ledger.content().identity?.pins).toEqual([A, C]);
    pins([A, B], 3);
    expect(kit.ledger.content().identity?.pins).toEqual([A, B]);
  });

  test("[K353] a node that knows no hub's key keeps none of it", async () => {
    const kit = linkKit({ identity: { ...pinned, hubKey: null } });
    kit.link.start();
    await settle();
    kit.wire.say(welcome({ pins: [A, B], mark }));
    expect(kit.ledger.content().identity).toMatchObject({ pins: [A], mark: null });
  });

  test("[K354] a stream socket is dialled for a ticket that the hub signed for this connection, and for no other", async () => {
    const kit = linkKit();
    const wire = await kit.connect();
    const open = (key: string, fresh: string, ticket = "t1") =>
      wire.say({
        ...{ type: "open-stream", ticket },
        signature: signText(key, openStreamText(theIdentity, fresh, "t1")),
      });
    open(OTHER_HUB, FRESH);
    open(HUB_PRIVATE_KEY, "8".repeat(32));
    open(HUB_PRIVATE_KEY, FRESH, "t2");
    expect(kit.tickets).toEqual([]);
    open(HUB_PRIVATE_KEY, FRESH);
    expect(kit.tickets).toEqual(["t1"]);
  });
});

describe("another key", () => {
  const first = publicKeyOf(theIdentity.privateKey);
  const wish = (from = first, key = HUB_PRIVATE_KEY) =>
    ({ type: "roll-key", signature: signText(key, rollKeyText(theIdentity, from)) }) as const;

  test("[K350] the next key is durable before it is named, and a repeat names the same", async () => {
    const kit = linkKit();
    const wire = await kit.connect();
    const durable: (string | null | undefined)[] = [];
    const send = wire.send.bind(wire);
    wire.send = (text) => {
      if (text.includes('"next-key"')) durable.push(kit.disk.content().identity?.nextKey);
      send(text);
    };
    wire.say(wish());
    wire.say(wish());
    expect(durable).toHaveLength(2);
    expect(durable.every((key) => key === "7".repeat(64))).toBe(true);
    const publicKey = publicKeyOf("7".repeat(64));
    const text = nextKeyText(theIdentity, { from: first, to: publicKey }, NONCE, null);
    for (const frame of wire.frames("next-key")) {
      expect(frame.publicKey).toBe(publicKey);
      expect([isSignedBy(first, text, frame.byPresent), isSignedBy(publicKey, text, frame.byNext)]).toEqual([
        true,
        true,
      ]);
    }
  });

  test("[K352] a wish that is not the hub's, or of a key that it has no more, writes nothing and is not answered", async () => {
    const kit = linkKit();
    const wire = await kit.connect();
    const before = kit.disk.commits;
    wire.say(wish(first, OTHER_HUB));
    wire.say(wish(publicKeyOf(OTHER_HUB)));
    expect([wire.frames("next-key"), kit.disk.commits]).toEqual([[], before]);
  });

  test("[K352] it goes over only by the hub's own word, for the key that it named", async () => {
    const kit = linkKit();
    const wire = await kit.connect();
    const next = publicKeyOf("7".repeat(64));
    const taken = (to: typeof next, from: typeof next, key: string) =>
      wire.say({ type: "key-taken", publicKey: to, signature: signText(key, keyTakenText(theIdentity, from, to)) });
    taken(next, first, HUB_PRIVATE_KEY);
    expect(kit.ledger.content().identity?.privateKey).toBe(theIdentity.privateKey);
    wire.say(wish());
    taken(next, first, OTHER_HUB);
    taken(publicKeyOf(OTHER_HUB), first, HUB_PRIVATE_KEY);
    taken(next, next, HUB_PRIVATE_KEY);
    expect(kit.ledger.content().identity?.privateKey).toBe(theIdentity.privateKey);
    taken(next, first, HUB_PRIVATE_KEY);
    expect(kit.ledger.content().identity).toMatchObject({ privateKey: "7".repeat(64), nextKey: null });
    const again = await kit.redial();
    const signature = again.frames("hello")[0]?.signature ?? "";
    expect(isSignedBy(next, helloText(theIdentity, NONCE, null), signature)).toBe(true);
  });

  test("[K350] a disk that is full: nothing is named that is not durable, the key stays, and the link goes on", async () => {
    const kit = linkKit();
    const wire = await kit.connect();
    kit.disk.onCommit = () => "full";
    wire.say(wish());
    expect(wire.frames("next-key")).toEqual([]);
    kit.disk.onCommit = () => "written";
    wire.say(wish());
    const next = publicKeyOf("7".repeat(64));
    kit.disk.onCommit = () => "full";
    const signature = signText(HUB_PRIVATE_KEY, keyTakenText(theIdentity, first, next));
    wire.say({ type: "key-taken", publicKey: next, signature });
    expect(kit.ledger.content().identity).toMatchObject({ privateKey: theIdentity.privateKey });
    expect(kit.link.status().kind).toBe("connected");
  });

  test("[K355] with too much under former keys it makes no further one", async () => {
    const formerBoxKeys = Array.from({ length: MAX_FORMER_BOX_KEYS }, (_, at) => String(at).repeat(64));
    const kit = linkKit({ identity: { ...theIdentity, formerBoxKeys } });
    const wire = await kit.connect();
    wire.say(wish());
    expect([wire.frames("next-key"), kit.ledger.content().identity?.nextKey]).toEqual([[], null]);
  });
});

test.each([
  ["[K342] revoked", CLOSE.revoked, "key-revoked", /never opens it again: its containers run on/],
  ["[K344] frozen", CLOSE.frozen, "clone-detected", /skerry node unfreeze/],
] as const)("%s is a condition with what to do, and is tried again slowly", async (_what, code, kind, words) => {
  const kit = linkKit();
  const wire = await kit.connect();
  wire.end(code, "it was");
  expect(kit.link.conditions()).toMatchObject([{ kind, message: expect.stringMatching(words) }]);
  const status = kit.link.status();
  expect(status.kind === "waiting" && status.nextTryInMs).toBeGreaterThanOrEqual(30_000);
});
