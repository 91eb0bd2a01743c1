// What a node takes from a hub: only what is signed for it. And what it keeps and says when its key is revoked, frozen, or marked anew.
import { CLOSE } from "@skerry/shared/protocol/version.ts";
import { describe, expect, test } from "vitest";
import { assign, assignDelta, HUB_PRIVATE_KEY, linkKit, sealed, theIdentity, welcome } from "./link-kit.ts";

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
