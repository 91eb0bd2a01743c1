// decide: what follows from what changed. Pure; its cost follows the change, not the fleet.
// It never moves what stands because something else changed, and never lowers a position.
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Change } from "./change.ts";
import type { World } from "./world.ts";

export interface Settings {
  /** Above this share of nodes lost at once the hub is the one cut off: replacing stops. */
  readonly brakeShare: number;
}

/** From DESIGN: 55 %. */
export const DEFAULT_SETTINGS: Settings = { brakeShare: 0.55 };

/**
 * Applied to the World, these changes leave nothing more to decide at `now`. Call it after every change and when `world.dueMs` is
 * reached; it returns [] when there is nothing to do.
 */
export function decide(world: World, now: Millis, settings: Settings): readonly Change[] {
  throw new Error(`${world.seq} ${now} ${settings.brakeShare}`);
}
