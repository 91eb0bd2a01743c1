// What the hub and nodes put into words names no app that is out of the caller's sight: not in reasons that were stored, and not in
// what a node says of its own machine.
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Answer, startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";

let hub: TestHub;
beforeEach(async () => {
  hub = await startTestHub();
});
afterEach(() => hub.close());

async function made(body: object): Promise<(url: string) => Promise<Answer>> {
  const token = (await hub.call("POST", "/v1/api-tokens", { name: "ci", role: "viewer", ...body })).body.token;
  return (url) => hub.call("GET", url, undefined, { token });
}

test("[A118] a copy that had to make room does not say for whom while it leaves", async () => {
  const node = await hub.join("pi-farm");
  const file = (memory: string, more = ""): string =>
    `services:\n  web:\n    image: web:1\n    deploy: { resources: { reservations: { memory: ${memory} } } }\n${more}`;
  await hub.apply("shop", file("1G"));
  await hub.reportAll(node, { kind: "running", health: "none" });
  await hub.apply("blog", file("3500M", "    x-skerry: { priority: 9 }\n"));
  expect(hub.loop.world.tombstonesByNode.get(node)).toMatchObject([{ reason: expect.stringContaining("blog/web/1") }]);
  const mine = await made({ apps: ["shop"] });
  const seen = [];
  for (const url of ["/v1/why/shop", "/v1/why/shop/web/1", "/v1/apps/shop", "/v1/workloads", "/v1/events"]) {
    const { status, text } = await mine(url);
    expect([url, status, text]).toEqual([url, 200, expect.not.stringContaining("blog")]);
    seen.push(text);
  }
  expect(seen[2]).toContain("made room for another app");
  expect((await hub.call("GET", "/v1/apps/shop")).text).toContain("made room for blog/web/1");
});
