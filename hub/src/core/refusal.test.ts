// A node's refusal stands until the node has what it refused, however the hub comes to know.
import { expect, test } from "vitest";
import { nodeId, Scenario } from "../../../test/unit/hub/scenario.ts";

test("[H88] a refusal ends when the node says at its next hello that it holds the newest assignment", () => {
  const s = new Scenario();
  s.join();
  s.applyApp("a", {});
  const assignment = s.assignment(nodeId(1));
  if (assignment === null) throw new Error("nothing was assigned");
  const { position, hash } = assignment;
  s.frame(nodeId(1), { type: "refused", position, reason: "not-durable", message: "no space", have: null });
  expect(s.world.nodes.get(nodeId(1))?.refusal).not.toBeNull();
  // It took it at the second offer, and the connection broke before it could say so.
  s.ledgers.set(nodeId(1), { ...assignment, hash });
  s.disconnect(nodeId(1));
  s.connect(nodeId(1));
  expect(s.world.nodes.get(nodeId(1))).toMatchObject({ refusal: null, accepted: position });
});
