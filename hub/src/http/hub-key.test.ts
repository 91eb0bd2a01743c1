// Changing the hub's key over HTTP: two steps, and the second one not in silence. What the key's files do is tested beside them.
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";

let hub: TestHub;
beforeEach(async () => {
  hub = await startTestHub();
});
afterEach(() => hub.close());

test("[A205] the next key is made once, and the switch is refused while nodes do not know it, unless forced", async () => {
  await hub.join("pi-a");
  const show = async () => (await hub.call("GET", "/v1/hub-key")).body;
  const { pin } = await show();
  expect(await show()).toEqual({ kind: "own", pin, next: null, nodes: 1, unaware: [] });
  const early = await hub.call("POST", "/v1/hub-key/switch", { to: "d".repeat(64) });
  expect([early.status, early.body.hint]).toEqual([422, expect.stringContaining("hub-key next")]);
  const { next } = (await hub.call("POST", "/v1/hub-key/next")).body;
  expect((await hub.call("POST", "/v1/hub-key/next")).body).toEqual({
    kind: "own",
    pin,
    next,
    nodes: 1,
    unaware: ["pi-a"],
  });
  const refused = await hub.call("POST", "/v1/hub-key/switch", { to: next });
  expect([refused.status, refused.body.message]).toEqual([422, expect.stringContaining("pi-a")]);
  expect((await hub.call("POST", "/v1/hub-key/switch", { to: "d".repeat(64), force: true })).status).toBe(422);
  expect((await show()).next).toBe(next);
  const done = await hub.call("POST", "/v1/hub-key/switch", { to: next, force: true });
  expect([done.status, done.body.next]).toEqual([200, null]);
});
