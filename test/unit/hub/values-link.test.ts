// Values over the link: the hub's session answers an ask, and holds a node to what any assignment can name.
import { VALUES_BURST } from "@skerry/hub/link/limits.ts";
import { MAX_VALUES_PER_ASK, type NeedValues } from "@skerry/shared/protocol/values.ts";
import { CLOSE } from "@skerry/shared/protocol/version.ts";
import { expect, test } from "vitest";
import { smallHub } from "./small-hub.ts";

const ref = { kind: "secret", app: null, name: "db", version: "a".repeat(32) } as const;
const ask = (count: number): NeedValues => ({
  type: "need-values",
  boxKey: "0".repeat(64),
  signature: "0".repeat(128),
  wanted: Array.from({ length: count }, () => ref),
});

test("[L261] an ask is answered on the connection of the node that made it", () => {
  const asked: [string, NeedValues][] = [];
  const hub = smallHub({
    values: (node, frame) => {
      asked.push([node, frame]);
      return frame.wanted.map((one) => ({ type: "value-refused", ref: one, reason: "no" }));
    },
  });
  const node = hub.join("pi");
  const agent = hub.agent(node);
  hub.clock.run(1_000);
  agent.say(ask(2));
  hub.clock.run(10);
  expect(asked).toEqual([[node, ask(2)]]);
  expect(agent.all("value-refused")).toHaveLength(2);
});

test("[L262] who asks for more than any assignment can name is disconnected", () => {
  const hub = smallHub({ values: () => [] });
  const agent = hub.agent(hub.join("pi"));
  hub.clock.run(1_000);
  for (let sent = 0; sent <= VALUES_BURST && agent.closed === null; sent += MAX_VALUES_PER_ASK)
    agent.say(ask(MAX_VALUES_PER_ASK));
  hub.clock.run(10);
  expect(agent.closed).toMatchObject({ code: CLOSE.tooSlow });
});
