// Somebody on the network who takes his time: a hub that is dribbled at cuts him off, and serves others meanwhile. In a file of its own, for all that
// it does is wait.
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../lab/wait.ts";
import { dribble, isOver, requestText, startTarget, type Target, unharmed } from "./target.ts";

let target: Target;
beforeAll(async () => {
  target = await startTarget();
});
afterAll(() => target?.[Symbol.asyncDispose]());

test("(H02) headers, bodies and silence that dribble in are cut off, while others are served", async () => {
  const admin = { Authorization: `Bearer ${await target.hub.token()}` };
  const slow = await Promise.all([
    dribble(target, "GET /v1/apps HTTP/1.1\r\nHost: hub\r\n", "X-A: b\r\n"),
    dribble(target, "GET /v1/ap", ""),
    dribble(target, "", ""),
    dribble(
      target,
      `${requestText("PUT", "/v1/apps/shop", { ...admin, "Content-Type": "application/json", "Content-Length": "1000" })}{`,
      " ",
    ),
    ...Array.from({ length: 200 }, () => dribble(target, "GET / HTTP/1.1\r\n", "X-A: b\r\n")),
  ]);
  const startedAt = performance.now();
  await target.well();
  await until("all but the body are cut off", () => [...slow.slice(0, 3), ...slow.slice(4)].every(isOver), 30_000);
  expect(performance.now() - startedAt).toBeLessThan(25_000);
  // The body has as long as a file of the largest size takes on a slow line.
  await until("the body is cut off", () => slow.every(isOver), 45_000);
  expect(performance.now() - startedAt).toBeLessThan(55_000);
  await unharmed(target);
});
