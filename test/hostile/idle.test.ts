// Somebody on the network who opens connections and says nothing. In a file of its own, for it mostly waits.
import type { Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../lab/wait.ts";
import { isOver, startTarget, type Target, unharmed } from "./target.ts";

/** Dialling 10,000 times takes a second on an idle machine, and a minute on one that is full of tests. */
const MANY_WITHIN_MS = 240_000;
/**
 * Of memory for each of 10,000 connections. One that is open costs 64 KB with TLS, and a fast machine has all of them open at once. The process
 * keeps that for the next ones: measured in waves of 1,500 it grew by 101, 25, 11, 8 and 3 MB, with no file left open and the same heap.
 */
const MAY_COST_KB = 80;

let target: Target;
beforeAll(async () => {
  target = await startTarget();
});
afterAll(() => target?.[Symbol.asyncDispose]());

test(
  "(H03) of 10,000 idle connections none keeps anybody else out, and none stays",
  async () => {
    const idle: Socket[] = [];
    for (let count = 0; count < 10_000; count += 250) {
      const dialled = await Promise.all(Array.from({ length: 250 }, () => target.dial()));
      // Who does not read does not see the end.
      for (const socket of dialled) idle.push(socket.resume());
    }
    // The first may have been cut off while the last were dialled.
    expect(idle.length).toBe(10_000);
    await target.well();
    await until("they are cut off", () => idle.every(isOver), 45_000);
    const restMb = await target.rssMb();
    expect(((restMb - target.restMb) / idle.length) * 1_024).toBeLessThan(MAY_COST_KB);
    await unharmed(target, restMb);
  },
  MANY_WITHIN_MS,
);
