// Conditions of a machine: when they come, when they go, and what they say.
import { describe, expect, test } from "vitest";
import { memoryLimits, throttledWords } from "../facts/power.ts";
import {
  type DiskReading,
  diskReserveBytes,
  type Judged,
  judge,
  NOTHING_JUDGED,
  type Readings,
  turned,
} from "./conditions.ts";

const MEBIBYTE = 1_048_576;
const GIBIBYTE = 1_024 * MEBIBYTE;
const MINUTE_MS = 60_000;

const disk = (freeBytes: number, more: Partial<DiskReading> = {}): DiskReading => ({
  of: "engine",
  path: "/var/lib/docker",
  totalBytes: 32 * GIBIBYTE,
  freeBytes,
  inodes: 1_000,
  freeInodes: 900,
  ...more,
});

const well: Readings = {
  disks: [disk(16 * GIBIBYTE)],
  memory: { totalBytes: 1_024 * MEBIBYTE, availableBytes: 600 * MEBIBYTE },
  clockSynchronised: true,
  temperatureC: 50,
  underVoltage: "no",
  memoryLimits: "enforced",
};

const kindsOf = ({ conditions }: Judged): readonly string[] => conditions.map(({ kind }) => kind);

/** Looks a minute apart. */
function looks(...readings: readonly Partial<Readings>[]): Judged {
  return readings.reduce<Judged>(
    (before, one, index) => judge(before, { ...well, ...one }, true, index * MINUTE_MS),
    NOTHING_JUDGED,
  );
}

describe("conditions", () => {
  test("[N150] nothing is wrong with a machine that is well, or that cannot say", () => {
    expect(kindsOf(looks({}))).toEqual([]);
    const silent: Readings = {
      disks: [disk(0, { totalBytes: 0, inodes: 0, freeInodes: 0 })],
      memory: null,
      clockSynchronised: null,
      temperatureC: null,
      underVoltage: null,
      memoryLimits: null,
    };
    expect(kindsOf(looks(silent, silent, silent))).toEqual([]);
  });

  test.each([
    [256 * MEBIBYTE, 51],
    [4 * GIBIBYTE, 512],
    [32 * GIBIBYTE, 1_638],
    [1_024 * GIBIBYTE, 5_120],
  ])("[N151] of %i bytes %i MB are kept free", (total, megabytes) => {
    expect(Math.floor(diskReserveBytes(total) / MEBIBYTE)).toBe(megabytes);
  });

  test("[N151] disk pressure comes below the reserve and goes a quarter above it; the engine's disk and the agent's count", () => {
    const reserve = diskReserveBytes(32 * GIBIBYTE);
    const at = (freeBytes: number): Partial<Readings> => ({ disks: [disk(freeBytes)] });
    expect(kindsOf(looks(at(reserve)))).toEqual([]);
    expect(kindsOf(looks(at(reserve - 1)))).toEqual(["disk-pressure"]);
    expect(kindsOf(looks(at(reserve * 1.2)))).toEqual([]);
    expect(kindsOf(looks(at(reserve - 1), at(reserve * 1.2)))).toEqual(["disk-pressure"]);
    expect(kindsOf(looks(at(reserve - 1), at(reserve * 1.3)))).toEqual([]);
    const own = looks({ disks: [disk(16 * GIBIBYTE), disk(100 * MEBIBYTE, { of: "agent", path: "/var/lib/skerry" })] });
    expect(own.conditions[0]?.message).toContain("100 MB of 32 GB left for the agent (/var/lib/skerry)");
  });

  test("[N151] inode pressure comes below 5 % and goes above 7.5 %", () => {
    const at = (freeInodes: number): Partial<Readings> => ({ disks: [disk(16 * GIBIBYTE, { freeInodes })] });
    expect(kindsOf(looks(at(50)))).toEqual([]);
    expect(kindsOf(looks(at(49)))).toEqual(["inode-pressure"]);
    expect(kindsOf(looks(at(49), at(70)))).toEqual(["inode-pressure"]);
    expect(kindsOf(looks(at(49), at(75)))).toEqual([]);
  });

  test("[N152] memory pressure comes at the second look in a row, and goes half above the mark", () => {
    const at = (megabytes: number): Partial<Readings> => ({
      memory: { totalBytes: 1_024 * MEBIBYTE, availableBytes: megabytes * MEBIBYTE },
    });
    expect(kindsOf(looks(at(40)))).toEqual([]);
    expect(kindsOf(looks(at(40), {}, at(40)))).toEqual([]);
    expect(kindsOf(looks(at(40), at(40)))).toEqual(["memory-pressure"]);
    expect(kindsOf(looks(at(40), at(40), at(70)))).toEqual(["memory-pressure"]);
    expect(kindsOf(looks(at(40), at(40), at(80)))).toEqual([]);
  });

  test("[N153] a clock that is not set is told after half an hour, and not when nobody knows", () => {
    const off: Partial<Readings> = { clockSynchronised: false };
    expect(kindsOf(looks(...Array.from({ length: 30 }, () => off)))).toEqual([]);
    expect(kindsOf(looks(...Array.from({ length: 31 }, () => off)))).toEqual(["clock-unsynchronised"]);
    expect(kindsOf(looks(...Array.from({ length: 31 }, () => off), { clockSynchronised: true }))).toEqual([]);
  });

  test("[N153] heat comes at 85 °C and goes below 80; a low supply is told apart in now and since the start", () => {
    expect(kindsOf(looks({ temperatureC: 84 }))).toEqual([]);
    expect(kindsOf(looks({ temperatureC: 85 }))).toEqual(["temperature"]);
    expect(kindsOf(looks({ temperatureC: 85 }, { temperatureC: 80 }))).toEqual(["temperature"]);
    expect(kindsOf(looks({ temperatureC: 85 }, { temperatureC: 79 }))).toEqual([]);
    expect(looks({ underVoltage: "now" }).conditions[0]?.message).toContain("is too low");
    expect(looks({ underVoltage: "since-boot" }).conditions[0]?.message).toContain("was too low since it started");
  });

  test.each([
    ["throttled=0x0", "no"],
    ["0x50005", "now"],
    ["throttled=0x50000", "since-boot"],
    ["e0008", "no"],
    ["10000", "since-boot"],
    ['error=1 error_msg="Command not registered"', null],
    [null, null],
  ] as const)("[N153] the firmware's %s is %s", (text, words) => {
    expect(throttledWords(text)).toBe(words);
  });

  test.each([
    [null, "cgroup_disable=memory", null],
    [[], "root=/dev/sda1 cgroup_disable=memory", "not-enforced"],
    [[], "cgroup_disable=memory cgroup_enable=memory", "enforced"],
    [["WARNING: No memory limit support"], "", "not-enforced"],
    [["WARNING: No swap limit support"], null, "enforced"],
  ] as const)("[N154] warnings %j and kernel words %j: memory limits are %s", (warnings, cmdline, expected) => {
    expect(memoryLimits(warnings, cmdline)).toBe(expected);
  });

  test("[N154] limits that are not enforced matter only while a workload has one", () => {
    const readings: Readings = { ...well, memoryLimits: "not-enforced" };
    expect(kindsOf(judge(NOTHING_JUDGED, readings, true, 0))).toEqual(["memory-limits-not-enforced"]);
    expect(kindsOf(judge(NOTHING_JUDGED, readings, false, 0))).toEqual([]);
  });

  test("[N155] what comes and what goes is told once; another figure in the message is no news", () => {
    const one = looks({ disks: [disk(0)] });
    const other = looks({ disks: [disk(100 * MEBIBYTE)], temperatureC: 90 });
    expect(turned(one.conditions, one.conditions)).toEqual({ on: [], off: [] });
    expect(turned(one.conditions, other.conditions).on.map(({ kind }) => kind)).toEqual(["temperature"]);
    expect(turned(other.conditions, []).off.map(({ kind }) => kind)).toEqual(["disk-pressure", "temperature"]);
  });
});
