// The supply of a Raspberry Pi, as its kernel and its firmware's program tell it: files and a program of the same shape as the real ones.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "../../../test/unit/agent/manual-clock.ts";
import { Supply, throttledWords } from "./power.ts";

const PI = "Raspberry Pi 4 Model B Rev 1.4";
let root: string;
let clock: ManualClock;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "skerry-power-"));
  clock = new ManualClock();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A Pi's file system as far as it is read; `vcgencmd` is the body of a program on PATH. */
function machine(files: Readonly<Record<string, string>>, vcgencmd: string | null = null): Supply {
  for (const [path, text] of Object.entries(files)) put(path, text);
  const bin = join(root, "bin");
  if (vcgencmd !== null) chmodSync(put("bin/vcgencmd", `#!/bin/sh\n${vcgencmd}\n`), 0o755);
  return new Supply({ clock, root, path: `${bin}:/usr/bin:/bin` });
}

function put(path: string, text: string): string {
  const at = join(root, path);
  mkdirSync(dirname(at), { recursive: true });
  writeFileSync(at, text);
  return at;
}

const hwmon = (alarm: string) => ({
  "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
  "sys/class/hwmon/hwmon0/temp1_input": "48312\n",
  "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
  "sys/class/hwmon/hwmon1/in0_lcrit_alarm": `${alarm}\n`,
});

describe("what the firmware says", () => {
  /** Now and since the start: supply low, frequency capped, throttled, soft limit of heat. */
  const BITS = [0, 1, 2, 3, 16, 17, 18, 19];
  const words = Array.from({ length: 1 << BITS.length }, (_, mask) =>
    BITS.reduce((word, bit, at) => (((mask >> at) & 1) === 0 ? word : word | (1 << bit)), 0),
  );

  test("[N153] of all its bits the two of the supply are read", () => {
    for (const word of words) {
      const expected = (word & 1) !== 0 ? "now" : (word & 0x10000) !== 0 ? "since-boot" : "no";
      expect(throttledWords(`throttled=0x${word.toString(16)}\n`)).toBe(expected);
    }
  });

  test.each([
    ["throttled=0x0", "no"],
    ["throttled=0x50005", "now"],
    ["throttled=0x50000", "since-boot"],
    ["throttled=0xe0008", "no"],
  ])("[N153] a program that prints %s is read: %s", async (printed, expected) => {
    const asks = `[ "$*" = get_throttled ] || exit 1`;
    expect(await machine({}, `${asks}\necho "${printed}"`).underVoltage(PI)).toBe(expected);
  });

  test.each([
    ["is not installed", null],
    ["may not ask", `echo "Can't open device file: /dev/vcio" >&2; exit 255`],
    ["says an error", `echo 'error=1 error_msg="Command not registered"'`],
    ["says nothing", ":"],
  ])("[N153] a program that %s is no error: nobody knows", async (_, vcgencmd) => {
    expect(await machine({}, vcgencmd).underVoltage(PI)).toBeNull();
  });

  test("[N153] one that hangs is waited for until its deadline, and a second is not started beside it", async () => {
    const pids = join(root, "pids");
    const supply = machine({}, `echo $$ >>${pids}\nexec sleep 60`);
    const first = supply.underVoltage(PI);
    while (!existsSync(pids) || readFileSync(pids, "utf8") === "")
      await new Promise((resolve) => setImmediate(resolve));
    const second = supply.underVoltage(PI);
    await clock.pass(5_000);
    expect(await Promise.all([first, second])).toEqual([null, null]);
    const started = readFileSync(pids, "utf8").trim().split("\n");
    for (const pid of started) process.kill(Number(pid), "SIGKILL");
    expect(started).toHaveLength(1);
  });

  test("[N153] it is asked on a Raspberry Pi only", async () => {
    const supply = machine({}, "echo throttled=0x50005");
    expect([await supply.underVoltage("HP EliteDesk 800"), await supply.underVoltage(null)]).toEqual([null, null]);
  });
});

describe("what the kernel says", () => {
  test.each([
    ["50005", "now"],
    ["50000", "since-boot"],
    ["0", "no"],
  ])("[N153] its file comes first: %s is %s", async (text, expected) => {
    const file = { "sys/devices/platform/soc/soc:firmware/get_throttled": `${text}\n` };
    expect(await machine(file, "echo throttled=0x1").underVoltage(PI)).toBe(expected);
  });

  test("[N153] its sensor knows only now: the rest is asked of the firmware where there is one", async () => {
    expect(await machine(hwmon("1"), "echo throttled=0x0").underVoltage(PI)).toBe("now");
    expect(await machine(hwmon("0"), "echo throttled=0x50000").underVoltage(PI)).toBe("since-boot");
    expect(await machine(hwmon("0"), "exit 255").underVoltage(PI)).toBe("no");
  });

  test("[N153] without sensor and firmware nobody knows", async () => {
    expect(await machine({}).underVoltage(PI)).toBeNull();
  });
});
