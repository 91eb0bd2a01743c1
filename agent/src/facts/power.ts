// Whether the supply holds and the kernel counts memory: what a Raspberry Pi has of its own, read from files where there are any. The
// firmware's program is asked only on a Pi whose kernel has no file for it, and seldom. What cannot be read is null, never an error.
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { type Clock, sleep } from "@skerry/shared/runtime/clock.ts";
import type { Readings } from "../core/conditions.ts";
import { readText } from "./figures.ts";

const THROTTLED_FILE = "/sys/devices/platform/soc/soc:firmware/get_throttled";
const HWMON = "/sys/class/hwmon";
/** It answers in milliseconds, or hangs with the firmware. */
const PROGRAM_DEADLINE_MS = 5_000;
/** `vcgencmd get_throttled`: the supply is too low now, and has been since the start. */
const BIT = { now: 1 << 0, ever: 1 << 16 } as const;

interface SupplyOptions {
  readonly clock: Clock;
  /** Where /sys is, for tests. */
  readonly root?: string;
  /** Where the firmware's program is looked for; PATH unless said. */
  readonly path?: string;
}

/** Whether the supply holds. */
export class Supply {
  readonly #options: SupplyOptions;
  /** One that hangs with its firmware cannot even be killed: it is not waited for, and no second one is started beside it. */
  #asking: Promise<string | null> | null = null;

  constructor(options: SupplyOptions) {
    this.#options = options;
  }

  /** `model`: what the board is called. */
  async underVoltage(model: string | null): Promise<Readings["underVoltage"]> {
    const { root = "" } = this.#options;
    const file = readText(root + THROTTLED_FILE);
    if (file !== null) return throttledWords(file);
    const alarm = voltageAlarm(root + HWMON);
    if (alarm === "now" || model?.startsWith("Raspberry Pi") !== true) return alarm;
    return throttledWords(await this.#askFirmware()) ?? alarm;
  }

  async #askFirmware(): Promise<string | null> {
    const { clock, path } = this.#options;
    this.#asking ??= runFirmwareProgram(path).finally(() => {
      this.#asking = null;
    });
    return await Promise.race([this.#asking, sleep(clock, PROGRAM_DEADLINE_MS).then(() => null)]);
  }
}

/** "throttled=0x50005", or the bare number in hexadecimal. */
export function throttledWords(text: string | null): Readings["underVoltage"] {
  const match = /^(?:throttled=)?(?:0x)?([0-9a-f]{1,8})$/i.exec((text ?? "").trim());
  if (match === null) return null;
  const bits = Number.parseInt(match[1] ?? "", 16);
  if ((bits & BIT.now) !== 0) return "now";
  return (bits & BIT.ever) !== 0 ? "since-boot" : "no";
}

/** From the engine's own warnings and the kernel's command line, where a later word wins. null: the engine has not answered yet. */
export function memoryLimits(warnings: readonly string[] | null, cmdline: string | null): Readings["memoryLimits"] {
  if (warnings === null) return null;
  if (warnings.some((one) => /no memory limit support/i.test(one))) return "not-enforced";
  const words = (cmdline ?? "")
    .split(/\s+/)
    .filter((word) => /^cgroup_(?:disable|enable)=(?:.*,)?memory(?:,|$)/.test(word));
  return words.at(-1)?.startsWith("cgroup_disable") === true ? "not-enforced" : "enforced";
}

/** The kernel's own sensor of a Pi says only how it is now. null: there is none. */
function voltageAlarm(folder: string): Readings["underVoltage"] {
  let found: Readings["underVoltage"] = null;
  for (const name of folders(folder)) {
    if (readText(`${folder}/${name}/name`) !== "rpi_volt") continue;
    found = readText(`${folder}/${name}/in0_lcrit_alarm`) === "1" ? "now" : "no";
  }
  return found;
}

function folders(path: string): readonly string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}

/** null: there is none, or it failed. */
function runFirmwareProgram(path: string | undefined): Promise<string | null> {
  const env = path === undefined ? process.env : { ...process.env, PATH: path };
  const settings = { env, timeout: PROGRAM_DEADLINE_MS, killSignal: "SIGKILL" } as const;
  return new Promise((resolve) => {
    execFile("vcgencmd", ["get_throttled"], settings, (error, stdout) => resolve(error === null ? stdout : null));
  });
}
