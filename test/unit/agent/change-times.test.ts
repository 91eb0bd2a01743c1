// Windows and holds as the node's shell sees them: cron in its time zone across daylight saving, a clock that is not set, and files that
// anybody in a container may have written.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answerEdges, askHere, edgeOf } from "@skerry/agent/times/edges.ts";
import { Holds } from "@skerry/agent/times/holds.ts";
import { Windows } from "@skerry/agent/times/windows.ts";
import { NO_UPDATE_TIMES } from "@skerry/shared/model/plain.ts";
import type { Window } from "@skerry/shared/model/update.ts";
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { assignment, workload } from "./scenario.ts";

const web = workload("web");
const HOUR_MS = 3_600_000;

/** Stands still until it is told to be elsewhere. */
interface StillClock extends Clock {
  wall: number;
  monotonic: number;
}

function clockAt(wall: string): StillClock {
  return {
    wall: Date.parse(wall),
    monotonic: 1_000_000,
    wallMs() {
      return this.wall;
    },
    monotonicMs() {
      return this.monotonic;
    },
    setTimer: () => ({ cancel: () => undefined }),
  };
}

describe("windows", () => {
  const night: Window = { cron: "0 3 * * *", durationMs: 2 * HOUR_MS, timeZone: "Europe/Berlin" };
  const desired = (apply: Window) => assignment([{ ...web, times: { ...NO_UPDATE_TIMES, apply } }]);

  async function applyAt(clock: StillClock, window: Window = night, synchronised: boolean | null = null) {
    const windows = new Windows({ clock, log: silentLog, ask: askHere, synchronised: () => synchronised });
    await windows.prepare(desired(window));
    return windows.now(desired(window)).get(web.id)?.apply;
  }

  test("[N125] a window opens at each match in its time zone and says in monotonic time when it closes or opens", async () => {
    const open = await applyAt(clockAt("2026-11-22T02:30:00Z"));
    expect(open).toEqual({ kind: "open", closesAtMs: 1_000_000 + 1.5 * HOUR_MS });
    const closed = await applyAt(clockAt("2026-11-22T04:00:00Z"));
    expect(closed).toEqual({
      kind: "closed",
      opensAtMs: 1_000_000 + 22 * HOUR_MS,
      reason: "it opens at 2026-11-23 03:00 (Europe/Berlin)",
    });
  });

  test("[N125] across daylight saving it opens at the same hour of the wall clock", async () => {
    const summer = await applyAt(clockAt("2026-10-24T01:00:00Z"));
    expect(summer).toMatchObject({ kind: "open", closesAtMs: 1_000_000 + 2 * HOUR_MS });
    const winter = await applyAt(clockAt("2026-10-25T02:00:00Z"));
    expect(winter).toMatchObject({ kind: "open", closesAtMs: 1_000_000 + 2 * HOUR_MS });
  });

  test("[N125] matches that come before the end prolong it, and one that never comes again stays closed", () => {
    const hourly = (afterMs: number): number => (Math.floor(afterMs / HOUR_MS) + 1) * HOUR_MS;
    expect(edgeOf(hourly, HOUR_MS / 2, 10.25 * HOUR_MS)).toEqual({ open: true, changesAtMs: 10.5 * HOUR_MS });
    expect(edgeOf(hourly, HOUR_MS / 2, 10.5 * HOUR_MS)).toEqual({ open: false, changesAtMs: 11 * HOUR_MS });
    expect(edgeOf(hourly, 2 * HOUR_MS, 10 * HOUR_MS).open).toBe(true);
    expect(edgeOf(() => null, HOUR_MS, 0)).toEqual({ open: false, changesAtMs: null });
  });

  test("[N126] a clock that is known to be wrong, or stands before this was written, opens nothing and says so", async () => {
    const unknown = { kind: "closed", opensAtMs: null, reason: expect.stringContaining("clock is not set") };
    expect(await applyAt(clockAt("2026-11-22T02:30:00Z"), night, false)).toEqual(unknown);
    expect(await applyAt(clockAt("1970-01-01T02:30:00Z"), night, null)).toEqual(unknown);
  });

  test("[N126] a clock that is set meanwhile is looked at anew at once", async () => {
    const clock = clockAt("2026-11-22T12:00:00Z");
    const windows = new Windows({ clock, log: silentLog, ask: askHere, synchronised: () => true });
    await windows.prepare(desired(night));
    expect(windows.now(desired(night)).get(web.id)?.apply?.kind).toBe("closed");
    clock.wall = Date.parse("2026-11-22T02:30:00Z");
    expect(windows.now(desired(night)).get(web.id)?.apply).toMatchObject({ kind: "closed", opensAtMs: null });
    expect(await windows.prepare(desired(night))).toBe(true);
    expect(windows.now(desired(night)).get(web.id)?.apply?.kind).toBe("open");
  });

  test("[N125] a workload without windows has no entry, and a cron that this agent cannot read stays closed", async () => {
    const windows = new Windows({
      clock: clockAt("2026-11-22T02:30:00Z"),
      log: silentLog,
      ask: askHere,
      synchronised: () => true,
    });
    await windows.prepare(assignment([web]));
    expect(windows.now(assignment([web])).size).toBe(0);
    expect(await applyAt(clockAt("2026-11-22T02:30:00Z"), { ...night, cron: "@fortnight" })).toMatchObject({
      reason: 'this agent cannot read "@fortnight" in time zone "Europe/Berlin"',
    });
  });

  test("[N133] the library is asked in a process of its own, once per edge, and again half a minute after nobody answered", async () => {
    const clock = clockAt("2026-11-22T12:00:00Z");
    let answers = 0;
    const ask: typeof askHere = async (question) => {
      answers += 1;
      if (answers === 1) throw new Error("no memory for a process");
      const told: string[] = [];
      const asked = async function* () {
        yield Buffer.from(JSON.stringify(question));
      };
      await answerEdges(asked(), (text) => told.push(text));
      return JSON.parse(told.join(""));
    };
    const windows = new Windows({ clock, log: silentLog, ask, synchronised: () => true });
    expect(await windows.prepare(desired(night))).toBe(false);
    expect(await windows.prepare(desired(night))).toBe(false);
    clock.monotonic += 30_000;
    clock.wall += 30_000;
    expect(await windows.prepare(desired(night))).toBe(true);
    expect(await windows.prepare(desired(night))).toBe(false);
    expect(windows.now(desired(night)).get(web.id)?.apply).toMatchObject({
      reason: "it opens at 2026-11-23 03:00 (Europe/Berlin)",
    });
    expect(answers).toBe(2);
  });
});

describe("holds", () => {
  const holding = { ...web, times: { ...NO_UPDATE_TIMES, hold: { maxMs: HOUR_MS } } };
  const desired = assignment([holding]);
  let folder: string;
  let file: string;
  let clock: StillClock;
  let holds: Holds;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "skerry-holds-"));
    mkdirSync(join(folder, "shop/web/1"), { recursive: true });
    file = join(folder, "shop/web/1/hold");
    clock = clockAt("2026-11-22T02:30:00Z");
    holds = new Holds(folder, clock, silentLog);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const lease = async () => {
    await holds.look(desired);
    return holds.now().get(web.id);
  };

  test("[N127] a lease is the file hold: JSON with owner, reason and ttlSeconds, or a plain reason for ten minutes", async () => {
    expect(await lease()).toBeUndefined();
    writeFileSync(file, JSON.stringify({ owner: "till", reason: "a sale is open", ttlSeconds: 90 }));
    expect(await lease()).toEqual({ owner: "till", reason: "a sale is open", endsAtMs: 1_090_000 });
    writeFileSync(file, "printing\n\u001b[31m");
    expect(await lease()).toEqual({ owner: "the workload", reason: "printing [31m", endsAtMs: 1_600_000 });
    rmSync(file);
    expect(await lease()).toBeUndefined();
  });

  test("[N127] it counts from when its content was first seen, and writing it again renews it; a jump of the wall clock does neither", async () => {
    writeFileSync(file, JSON.stringify({ ttlSeconds: 60 }));
    await lease();
    clock.monotonic += 50_000;
    clock.wall -= 1e9;
    expect((await lease())?.endsAtMs).toBe(1_060_000);
    clock.monotonic += 10_000;
    expect(await lease()).toBeUndefined();
    utimesSync(file, new Date(), new Date(Date.now() + 5_000));
    expect((await lease())?.endsAtMs).toBe(1_120_000);
  });

  test("[N128] what a container put there is not trusted: links, pipes and folders are no lease, and nothing asks for more than a day", async () => {
    writeFileSync(join(folder, "secret"), "of the node");
    symlinkSync(join(folder, "secret"), file);
    expect(await lease()).toBeUndefined();
    rmSync(file);
    execFileSync("mkfifo", [file]);
    expect(await lease()).toBeUndefined();
    rmSync(file);
    mkdirSync(file);
    expect(await lease()).toBeUndefined();
    rmSync(file, { recursive: true });
    writeFileSync(file, JSON.stringify({ ttlSeconds: 1e300, reason: "x".repeat(100_000) }));
    const cut = await lease();
    expect(cut?.reason).toHaveLength(200);
    expect(cut?.endsAtMs).toBe(1_000_000 + 600_000);
    writeFileSync(file, JSON.stringify({ ttlSeconds: 1e12, owner: 7 }));
    expect(await lease()).toMatchObject({ owner: "the workload", endsAtMs: 1_000_000 + 24 * HOUR_MS });
  });

  test("[N129] its folder is mounted at /run/skerry with the next container, for any user in it, and goes when the workload does", async () => {
    rmSync(join(folder, "shop"), { recursive: true });
    const mount = await holds.mountFor(holding);
    expect(mount).toMatchObject({
      kind: "bind",
      source: join(folder, "shop/web/1"),
      target: "/run/skerry",
      readOnly: false,
    });
    expect(statSync(join(folder, "shop/web/1")).mode & 0o777).toBe(0o777);
    expect(await holds.mountFor(web)).toBeNull();
    await holds.look(desired);
    expect(existsSync(join(folder, "shop/web/1"))).toBe(true);
    await holds.look(assignment([workload("other")]));
    expect(existsSync(join(folder, "shop/web/1"))).toBe(false);
  });

  test("[N129] what its container hid in it is not entered when it goes, and holds no other one up", async () => {
    const outside = mkdtempSync(join(tmpdir(), "skerry-outside-"));
    writeFileSync(join(outside, "kept"), "");
    for (const name of ["first", "second"]) mkdirSync(join(folder, "old", name, "1"), { recursive: true });
    const hidden = join(folder, "old/first/1/inner");
    mkdirSync(hidden);
    writeFileSync(join(hidden, "file"), "");
    for (const at of ["old/first/1/link", "old/second/1/link"]) symlinkSync(outside, join(folder, at));
    await holds.look(assignment([workload("other")]));
    expect(existsSync(join(outside, "kept"))).toBe(true);
    expect(existsSync(join(hidden, "file"))).toBe(true);
    expect(existsSync(join(folder, "old/first/1/link"))).toBe(false);
    expect(existsSync(join(folder, "old/second"))).toBe(false);
    rmSync(outside, { recursive: true });
  });
});
