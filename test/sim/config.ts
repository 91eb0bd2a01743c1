// What one seed's installation looks like. Drawn once, before anything runs.
import type { AppSpec } from "@skerry/shared/model/app.ts";
import { type AppStyle, drawApp, SITES } from "./apps.ts";
import { createChance } from "./chance.ts";
import { KINDS, type Kind } from "./engine/life.ts";

export interface NodeConfig {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly arch: string;
  readonly memoryBytes: number;
  readonly cores: number;
  readonly metered: boolean;
  readonly latencyMs: { readonly least: number; readonly most: number };
  /** Its clocks' speed: up to one per cent wrong. */
  readonly rate: number;
  readonly wallErrorMs: number;
  readonly liveRestore: boolean;
}

export interface SiteConfig {
  readonly seed: number;
  readonly nodes: readonly NodeConfig[];
  readonly hubRate: number;
  readonly apps: readonly AppSpec[];
  readonly style: AppStyle;
  /** How long faults are made. */
  readonly roughMs: number;
}

export interface ConfigWishes {
  /** Added to every machine's wall clock. */
  readonly wallErrorMs?: number;
  readonly kinds?: readonly Kind[];
  readonly policies?: AppStyle["policies"];
  readonly roughMs?: number;
  /** Every service has windows, or may hold its updates; false: none; undefined: some. */
  readonly timed?: boolean;
  /** Of every service, instead of what is drawn. */
  readonly budget?: AppStyle["budget"];
  /** Every file says nothing of updates, and operators steer none. */
  readonly plainUpdates?: boolean;
}

/** Now and then hours go by: longer than every pause, lease and deadline that is drawn here. */
const LONG_MS = 3 * 3_600_000;
const MIB = 1_048_576;
const YEAR_MS = 365.25 * 86_400_000;

export function drawConfig(seed: number, wishes: ConfigWishes = {}): SiteConfig {
  const chance = createChance(seed, "config");
  const count = chance.int(1, 5);
  // Most kinds are left out of a seed, so that each seed has a character of its own.
  const kinds = wishes.kinds ?? ["steady" as const, ...KINDS.filter(() => chance.yes(0.25))];
  const policies =
    wishes.policies ??
    chance.pick<AppStyle["policies"]>([["keep"], ["replace"], ["fence"], ["keep", "replace", "fence"]]);
  const updates = wishes.plainUpdates === true ? null : createChance(seed, "updates");
  const extras = wishes.plainUpdates === true ? null : createChance(seed, "extras");
  const style: AppStyle = {
    kinds,
    policies,
    nodes: count,
    updates,
    extras,
    timedShare: wishes.timed === undefined ? 0.25 : wishes.timed ? 1 : 0,
    budget: wishes.budget ?? null,
  };
  const nodes: NodeConfig[] = [];
  for (let number = 1; number <= count; number += 1) {
    const far = chance.yes(0.25);
    nodes.push({
      name: `pi-${number}`,
      labels: chance.yes(0.8) ? { site: chance.pick(SITES) } : {},
      arch: chance.pick(["arm64", "arm64", "amd64"]),
      memoryBytes: chance.pick([512, 1_024, 4_096]) * MIB,
      cores: chance.pick([1, 4]),
      metered: chance.yes(0.15),
      latencyMs: far ? { least: 200, most: 900 } : { least: 1, most: 30 },
      rate: chance.between(0.99, 1.01),
      wallErrorMs: (wishes.wallErrorMs ?? 0) + (chance.yes(0.3) ? chance.between(-56, 40) * YEAR_MS : 0),
      liveRestore: chance.yes(0.5),
    });
  }
  const apps = Array.from({ length: chance.int(1, 4) }, (_, index) => drawApp(chance, `app${index + 1}`, style));
  const long = chance.yes(0.03);
  const roughMs = wishes.roughMs ?? (long ? LONG_MS : chance.pick([20_000, 60_000, 120_000, 300_000]));
  return { seed, nodes, hubRate: chance.between(0.99, 1.01), apps, style, roughMs };
}
