// Temperature and clock, from files of the shape that kernels and systemd write.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readFigures } from "./figures.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "skerry-figures-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

/** null: the kernel refuses to read it, as of a sensor that is switched off. */
function zone(number: number, type: string, temp: string | null): void {
  const folder = `sys/class/thermal/thermal_zone${number}`;
  put({ [`${folder}/type`]: `${type}\n`, ...(temp === null ? {} : { [`${folder}/temp`]: `${temp}\n` }) });
  if (temp === null) mkdirSync(join(root, folder, "temp"));
}

const temperature = (): number | null => readFigures("/", root).temperatureC;

test("[N153] a Pi's one sensor is read in whole degrees", () => {
  put({ "sys/class/thermal/cooling_device0/type": "gpio-fan\n" });
  zone(0, "cpu-thermal", "48312");
  expect(temperature()).toBe(48);
});

test("[N153] of a PC's sensors the processor's own is read, not the first", () => {
  zone(0, "acpitz", "27800");
  zone(1, "x86_pkg_temp", "61500");
  expect(temperature()).toBe(62);
});

test("[N153] a sensor that cannot be read is passed over, and cold is below zero", () => {
  zone(0, "soc-thermal", null);
  zone(1, "ddr-thermal", "-5000");
  expect(temperature()).toBe(-5);
});

test("[N153] without a sensor the temperature is unknown", () => {
  expect(temperature()).toBeNull();
  zone(0, "cpu-thermal", null);
  expect(temperature()).toBeNull();
});

test("[N153] the clock is set once systemd says so, not set while it runs without, and unknown without it", () => {
  const synchronised = (): boolean | null => readFigures("/", root).clockSynchronised;
  expect(synchronised()).toBeNull();
  mkdirSync(join(root, "run/systemd/timesync"), { recursive: true });
  expect(synchronised()).toBe(false);
  put({ "run/systemd/timesync/synchronized": "" });
  expect(synchronised()).toBe(true);
});
