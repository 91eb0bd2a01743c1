// Simulated machines and the processes on them. A machine has a monotonic clock that starts anew at each boot and runs a little
// wrong, and a wall clock that may be wrong by decades. A process that was killed never does anything again: its timers are gone
// and every port given to it is dead.
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { createChance } from "./chance.ts";
import type { Scheduler } from "./scheduler.ts";

export interface Host {
  readonly name: string;
  /** New at each boot. */
  bootId(): string;
  readonly powered: () => boolean;
  /** Its wall clock stands wrong by so much. */
  setWallErrorMs(errorMs: number): void;
  /** True time of that, when it last made a difference. */
  wallSetAtMs(): number;
  wallMs(): number;
  monotonicMs(): number;
  /** All processes die with it; its clock starts anew at the next boot. */
  powerOff(): void;
  boot(): void;
  spawn(name: string, onCrash: (error: unknown) => void): Process;
}

export interface Process {
  readonly name: string;
  readonly host: Host;
  readonly clock: Clock;
  readonly random: Random;
  alive(): boolean;
  isPaused(): boolean;
  /** Runs `step` as this process, now or when it goes on after a pause; not at all when it is dead. */
  step(step: () => void): void;
  kill(): void;
  pause(): void;
  resume(): void;
  /** Called once when it dies. `powerCut`: with its machine. */
  onDeath(tell: (powerCut: boolean) => void): void;
}

export interface HostOptions {
  readonly scheduler: Scheduler;
  readonly seed: number;
  readonly name: string;
  readonly wrongClocks: boolean;
  /** 1.01: its clocks run one per cent fast. */
  readonly rate: number;
}

/** 21 November 2026: what a right wall clock shows at the start. */
export const RIGHT_WALL_MS = 1_795_219_200_000;

export function createHost({ scheduler, seed, name, rate, wrongClocks }: HostOptions): Host {
  const chance = createChance(seed, `host ${name}`);
  const processes = new Set<MutableProcess>();
  let powered = true;
  let bootedAtMs = scheduler.nowMs();
  let boots = 0;
  let bootId = "";
  let wallErrorMs = 0;
  let wallSetAtMs = scheduler.nowMs();
  let spawned = 0;
  const freshBoot = (): void => {
    boots += 1;
    // Boot scripts take a while before an agent can start: the clock is not at zero then.
    bootedAtMs = scheduler.nowMs() - chance.between(2_000, 40_000);
    bootId = `${name}-boot-${boots}-${chance.random.hex(4)}`;
  };
  freshBoot();
  const host: Host = {
    name,
    bootId: () => bootId,
    powered: () => powered,
    setWallErrorMs(errorMs) {
      if (!wrongClocks || wallErrorMs === errorMs) return;
      wallErrorMs = errorMs;
      wallSetAtMs = scheduler.nowMs();
    },
    wallSetAtMs: () => wallSetAtMs,
    wallMs: () => Math.round(RIGHT_WALL_MS + scheduler.nowMs() + wallErrorMs),
    monotonicMs: () => (scheduler.nowMs() - bootedAtMs) * rate,
    powerOff() {
      powered = false;
      for (const process of [...processes]) process.die(true);
    },
    boot() {
      powered = true;
      freshBoot();
    },
    spawn(processName, onCrash) {
      spawned += 1;
      const random = createChance(seed, `process ${processName} ${spawned}`).random;
      const process = createProcess({ scheduler, host, name: processName, rate, random, onCrash });
      processes.add(process);
      process.onDeath(() => processes.delete(process));
      return process;
    },
  };
  return host;
}

interface MutableProcess extends Process {
  die(powerCut: boolean): void;
}

interface ProcessParts {
  readonly scheduler: Scheduler;
  readonly host: Host;
  readonly name: string;
  readonly rate: number;
  readonly random: Random;
  readonly onCrash: (error: unknown) => void;
}

function createProcess({ scheduler, host, name, rate, random, onCrash }: ProcessParts): MutableProcess {
  let state: "running" | "paused" | "dead" = "running";
  let waiting: (() => void)[] = [];
  const mourners: ((powerCut: boolean) => void)[] = [];
  const die = (powerCut: boolean): void => {
    if (state === "dead") return;
    state = "dead";
    waiting = [];
    for (const tell of mourners) tell(powerCut);
  };
  const alive = (): boolean => state !== "dead";
  const step = (work: () => void): void => {
    if (state === "dead") return;
    if (state === "paused") {
      waiting.push(work);
      return;
    }
    try {
      work();
    } catch (error) {
      // What a process throws after it was killed in the middle of a call never happened.
      if (alive()) onCrash(error);
    }
  };
  const clock: Clock = {
    monotonicMs: () => host.monotonicMs(),
    wallMs: () => host.wallMs(),
    setTimer(delayMs, fire) {
      let live = true;
      // As Node's: whole milliseconds, cut off and not rounded, and never 0. A timer may thus come a little early.
      const wholeMs = Math.max(1, Math.trunc(delayMs));
      const due = scheduler.after(wholeMs / rate, () => {
        step(() => {
          // Cancelled while the process stood still: a real timer would not fire either.
          if (live) fire();
        });
      });
      return {
        cancel() {
          live = false;
          due.cancel();
        },
      };
    },
  };
  return {
    name,
    host,
    clock,
    random,
    alive,
    isPaused: () => state === "paused",
    step,
    kill: () => die(false),
    pause() {
      if (state === "running") state = "paused";
    },
    resume() {
      if (state !== "paused") return;
      state = "running";
      const late = waiting;
      waiting = [];
      // One after the other, each with its promise chains run to the end, as an event loop would.
      for (const work of late) scheduler.after(0, () => step(work));
    },
    onDeath(tell) {
      mourners.push(tell);
    },
    die,
  };
}
