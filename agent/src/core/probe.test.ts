// What answers of probes mean, over made-up times.
import type { Probe, Probes } from "@skerry/shared/model/update.ts";
import { describe, expect, test } from "vitest";
import {
  type Answer,
  answered,
  asking,
  beginRun,
  dueAt,
  isNews,
  type ProbedRun,
  type ProbeName,
  readinessOf,
} from "./probe.ts";

const GOOD: Answer = { ok: true, what: "HTTP 200", detail: "" };
const BAD: Answer = { ok: false, what: "HTTP 503", detail: "" };
const PROBE: Probe = {
  check: { kind: "tcp", port: 80 },
  initialDelayMs: 0,
  intervalMs: 10_000,
  timeoutMs: 1_000,
  failureThreshold: 3,
  successThreshold: 1,
};
const none: Probes = { startup: null, readiness: null, liveness: null };
const begin = (probes: Partial<Probes>, ageMs = 0, now = 0, isProven = true): ProbedRun =>
  beginRun({ ...none, ...probes }, ageMs, isProven, now, () => 0);

function after(run: ProbedRun, name: ProbeName, ...answers: readonly Answer[]): ProbedRun {
  return answers.reduce((held, answer) => answered(asking(held, name, 0, 0.5), name, answer), run);
}

describe("readiness", () => {
  test("[N170] what is not probed yet is not ready; it becomes so after the success threshold and unready after the failure threshold", () => {
    const run = begin({ readiness: { ...PROBE, successThreshold: 2 } });
    expect(readinessOf(run)).toMatchObject({
      ready: false,
      alive: true,
      reason: expect.stringContaining("not answered"),
    });
    expect(readinessOf(after(run, "readiness", GOOD)).ready).toBe(false);
    expect(readinessOf(after(run, "readiness", GOOD, BAD, GOOD)).ready).toBe(false);
    const ready = after(run, "readiness", GOOD, GOOD);
    expect(readinessOf(ready)).toMatchObject({ ready: true, reason: "" });
    expect(readinessOf(after(ready, "readiness", BAD, BAD)).ready).toBe(true);
    expect(readinessOf(after(ready, "readiness", BAD, BAD, GOOD, BAD, BAD)).ready).toBe(true);
    const unready = after(ready, "readiness", BAD, BAD, BAD);
    expect(readinessOf(unready)).toMatchObject({
      ready: false,
      alive: true,
      reason: "its readiness probe fails: HTTP 503",
    });
    expect(readinessOf(unready).answers).toEqual([{ probe: "readiness", ok: false, answer: "HTTP 503", failures: 3 }]);
  });

  test("[N171] an answer that nobody could ask for counts neither way", () => {
    const run = after(begin({ liveness: PROBE }), "liveness", BAD, BAD);
    const away = answered(asking(run, "liveness", 0, 0.5), "liveness", null);
    expect(readinessOf(away).alive).toBe(true);
    expect(readinessOf(after(away, "liveness", BAD)).alive).toBe(false);
  });
});

describe("liveness and startup", () => {
  test("[N172] only the failure threshold of liveness makes a run not alive, and a success in between counts afresh", () => {
    const run = begin({ liveness: PROBE });
    expect(readinessOf(run)).toMatchObject({ ready: true, alive: true });
    expect(readinessOf(after(run, "liveness", BAD, BAD, GOOD, BAD, BAD)).alive).toBe(true);
    expect(readinessOf(after(run, "liveness", BAD, BAD, BAD))).toMatchObject({
      alive: false,
      reason: "its liveness probe fails: HTTP 503",
    });
  });

  test("[N173] the startup probe holds the others back until it succeeded once, and is not asked again", () => {
    const run = begin({ startup: PROBE, readiness: PROBE, liveness: PROBE });
    expect(dueAt(run, "startup")).toBe(0);
    expect([dueAt(run, "readiness"), dueAt(run, "liveness")]).toEqual([null, null]);
    expect(readinessOf(run)).toMatchObject({ startupDone: false, ready: false, alive: true });
    const started = after(run, "startup", BAD, BAD, GOOD);
    expect(readinessOf(started)).toMatchObject({ startupDone: true, ready: false, alive: true });
    expect(dueAt(started, "startup")).toBeNull();
    expect(dueAt(started, "readiness")).not.toBeNull();
  });

  test("[N173] a run that its startup probe gives up is not alive", () => {
    const run = after(begin({ startup: PROBE, liveness: PROBE }), "startup", BAD, BAD, BAD);
    expect(readinessOf(run)).toMatchObject({ startupDone: false, alive: false });
    expect(dueAt(run, "startup")).toBeNull();
  });

  test("[N174] a run that has outlived all that its startup probe allows has started, whoever looks for the first time", () => {
    const slow = { ...PROBE, initialDelayMs: 5_000 };
    expect(readinessOf(begin({ startup: slow }, 35_000)).startupDone).toBe(false);
    expect(readinessOf(begin({ startup: slow }, 35_001)).startupDone).toBe(true);
  });

  test("[N174] what is not proven must still answer its startup probe, and is not given up when it does not", () => {
    const found = begin({ startup: PROBE }, 3_600_000, 0, false);
    expect(readinessOf(found)).toMatchObject({ startupDone: false, ready: false, alive: true });
    const silent = after(found, "startup", ...Array.from({ length: 20 }, () => BAD));
    expect(readinessOf(silent)).toMatchObject({ startupDone: false, ready: false, alive: true });
    expect(readinessOf(after(silent, "startup", GOOD))).toMatchObject({ startupDone: true, ready: true });
  });
});

describe("times", () => {
  test("[N175] the first question comes after the initial delay of the run, the next an interval after the last began", () => {
    const run = begin({ liveness: { ...PROBE, initialDelayMs: 8_000 } }, 3_000, 100);
    expect(dueAt(run, "liveness")).toBe(5_100);
    const asked = asking(run, "liveness", 5_100, 0.5);
    expect(dueAt(asked, "liveness")).toBeNull();
    expect(dueAt(answered(asked, "liveness", GOOD), "liveness")).toBe(15_100);
    const early = answered(asking(run, "liveness", 5_100, 0), "liveness", GOOD);
    const late = answered(asking(run, "liveness", 5_100, 1), "liveness", GOOD);
    expect([dueAt(early, "liveness"), dueAt(late, "liveness")]).toEqual([14_600, 15_600]);
  });
});

test("[N176] a verdict that turns, or another kind of failure while it is bad, is news; a single answer is not", () => {
  const ready = after(begin({ readiness: PROBE }), "readiness", GOOD);
  const wobbled = after(ready, "readiness", BAD);
  expect(isNews(ready, wobbled)).toBe(false);
  const unready = after(wobbled, "readiness", BAD, BAD);
  expect(isNews(wobbled, unready)).toBe(true);
  expect(isNews(unready, after(unready, "readiness", { ...BAD, detail: "another" }))).toBe(false);
  expect(isNews(unready, after(unready, "readiness", { ...BAD, what: "connection refused" }))).toBe(true);
  expect(isNews(unready, after(unready, "readiness", GOOD))).toBe(true);
});
