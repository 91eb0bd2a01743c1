// What log lines look like to a machine and to a person.
import { expect, test } from "vitest";
import { jsonLog, plainLog } from "./log.ts";

const AT_MS = Date.UTC(2026, 10, 21, 11, 7, 31, 5);

test("one JSON line per fact, and none below the level", () => {
  const lines: string[] = [];
  const log = jsonLog(
    (line) => lines.push(line),
    () => AT_MS,
  );
  log.debug("not told");
  log.info("joined", { name: "pi-1" });
  expect(lines).toEqual(['{"time":"2026-11-21T11:07:31.005Z","level":"info","message":"joined","name":"pi-1"}']);
});

test("on a terminal the same in words", () => {
  const lines: string[] = [];
  const log = plainLog(
    (line) => lines.push(line),
    () => AT_MS,
  );
  log.info("connected to the hub", { heartbeatMs: 15_000, hubVersion: "0.1.0" });
  log.warn("not joined yet", { reason: "nothing listens", nextTryInMs: 986 });
  log.info("stopped");
  expect(lines).toEqual([
    "11:07:31 connected to the hub (heartbeat 15 s, hub version 0.1.0)",
    "11:07:31 warn: not joined yet: nothing listens (next try in 1 s)",
    "11:07:31 stopped",
  ]);
});
