// The agent's clock over a suspend and over what /proc/uptime rounds.
import { expect, test } from "vitest";
import { bootClock } from "./boot-clock.ts";

test("[K34] the clock counts the time that the machine was suspended, never goes back, and does not follow rounding", () => {
  let awakeMs = 1_000;
  let uptimeMs: number | null = 1_000;
  const clock = bootClock(
    () => awakeMs,
    () => uptimeMs,
  );
  const pass = (awake: number, uptime: number): number => {
    awakeMs += awake;
    uptimeMs = (uptimeMs ?? 0) + uptime;
    return clock.monotonicMs();
  };
  expect(clock.monotonicMs()).toBe(1_000);
  expect(pass(1_000, 1_010)).toBe(2_000);
  expect(pass(1_000, 990)).toBe(3_000);
  expect(pass(1_000, 3_601_000)).toBe(4_000 + 3_600_000);
  const before = clock.monotonicMs();
  uptimeMs = null;
  awakeMs += 500;
  expect(clock.monotonicMs()).toBe(before + 500);
});

test("[K34] standing still while it looks, as on a busy machine, is no suspend", () => {
  let nowMs = 1_000;
  let stallMs = 0;
  const clock = bootClock(
    () => {
      const read = nowMs;
      nowMs += stallMs;
      return read;
    },
    () => nowMs,
  );
  expect(clock.monotonicMs()).toBe(1_000);
  nowMs += 1_000;
  stallMs = 5_000;
  clock.monotonicMs();
  stallMs = 0;
  nowMs += 1_000;
  expect(clock.monotonicMs()).toBe(nowMs);
});
