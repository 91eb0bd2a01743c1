// What a simulated container's process does once it is started: how long it runs, how it ends, how healthy it is, how it takes a
// stop signal. Chosen by the image's name, so that an app's spec alone says how it behaves.
import type { PullFailure } from "@skerry/shared/model/report.ts";
import type { Chance } from "../chance.ts";

export interface Life {
  /** null: the process never comes up, and the engine's start call fails with these words. */
  readonly startError: string | null;
  /** After this long it ends by itself; null: never. */
  readonly endsAfterMs: number | null;
  readonly exitCode: number;
  readonly oom: boolean;
  /** From the stop signal to its end; null: it ignores the signal and must be killed. */
  readonly stopsWithinMs: number | null;
  /** For containers with a health check: when it turns healthy; null: never. */
  readonly healthyAfterMs: number | null;
  /** When a healthy one turns unhealthy; null: stays healthy. */
  readonly sickAfterMs: number | null;
  /** Its end or sickness does not come any more once the times are calm. */
  readonly onlyRough: boolean;
}

/**
 * steady: runs for ever. crashy: ends with an error now and then while the times are rough. job: does its work and ends with 0. oom: is
 * killed at its memory limit while the times are rough. flappy: turns unhealthy now and then while the times are rough. doomed: ends
 * with an error at once, always. sickly: never healthy. broken: its command does not exist. stubborn: ignores the stop signal.
 */
export const KINDS = ["steady", "crashy", "job", "oom", "flappy", "doomed", "sickly", "broken", "stubborn"] as const;
export type Kind = (typeof KINDS)[number];
/** The simulated containers know this command: it ends with 0 while they serve. */
export const PROBE_COMMAND = "serves";
/** An image that no registry has. */
export const MISSING_IMAGE = "sim/missing:1";
/** Images that no machine here will ever have, and why. */
export const NOT_TO_BE_HAD: ReadonlyMap<string, { readonly why: PullFailure; readonly says: string }> = new Map([
  [MISSING_IMAGE, { why: "not-found", says: "manifest unknown" }],
  ["sim/secret:1", { why: "unauthorised", says: "denied: access forbidden" }],
  ["sim/foreign:1", { why: "wrong-architecture", says: "no matching manifest for this platform" }],
  ["sim/huge:1", { why: "too-big", says: "it does not fit on the engine's disk" }],
] as const);

/** Nothing that is made from it ever runs well. */
export const isHopeless = (image: string): boolean =>
  NOT_TO_BE_HAD.has(image) || ["doomed", "sickly", "broken"].includes(kindOf(image));

export const imageOf = (kind: Kind, tag: number): string => `sim/${kind}:${tag}`;

export function kindOf(image: string): Kind {
  return KINDS.find((kind) => image.startsWith(`sim/${kind}:`)) ?? "steady";
}

const STEADY: Life = {
  startError: null,
  endsAfterMs: null,
  exitCode: 0,
  oom: false,
  stopsWithinMs: 100,
  healthyAfterMs: 2_000,
  sickAfterMs: null,
  onlyRough: false,
};

/** `rough`: faults are being made. Afterwards only the hopeless kinds still fail. */
export function drawLife(kind: Kind, chance: Chance, rough: boolean): Life {
  const base: Life = {
    ...STEADY,
    stopsWithinMs: chance.between(5, 1_500),
    healthyAfterMs: chance.between(200, 6_000),
  };
  switch (kind) {
    case "steady":
      return base;
    case "stubborn":
      return { ...base, stopsWithinMs: null };
    case "crashy":
      return rough
        ? { ...base, endsAfterMs: chance.exponential(60_000), exitCode: chance.pick([1, 2, 139]), onlyRough: true }
        : base;
    case "oom":
      return rough
        ? { ...base, endsAfterMs: chance.exponential(90_000), exitCode: 137, oom: true, onlyRough: true }
        : base;
    case "flappy":
      return rough ? { ...base, sickAfterMs: chance.exponential(60_000), onlyRough: true } : base;
    case "job":
      return { ...base, endsAfterMs: chance.between(100, 5_000) };
    case "doomed":
      return { ...base, endsAfterMs: chance.between(0, 300), exitCode: 1 };
    case "sickly":
      return { ...base, healthyAfterMs: null };
    case "broken":
      return { ...base, startError: 'exec: "frobnicate": executable file not found in $PATH', exitCode: 127 };
  }
}
