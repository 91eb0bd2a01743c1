// How the World moves: one change at a time, its indexes with it, at a cost in proportion to the change.
// Only the control loop calls this, and only after the durable changes are committed.

import type { InstallationId, NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Change } from "./change.ts";
import type { App, Node, Placement, Tombstone, World } from "./world.ts";

/** What a World is made from. The store's `Loaded` has this shape. */
export interface LoadedWorld {
  readonly installation: InstallationId;
  readonly epoch: number;
  readonly seq: number;
  readonly apps: readonly App[];
  readonly nodes: readonly Node[];
  readonly placements: readonly Placement[];
  readonly tombstones: readonly Tombstone[];
  readonly fencingTokens: ReadonlyMap<WorkloadId, number>;
  readonly observed: ReadonlyMap<NodeId, readonly WorkloadStatus[]>;
}

/** Everything is dirty and every node awaited: the first decide looks at all of it. */
export function worldFrom(loaded: LoadedWorld, now: Millis): World {
  throw new Error(`${loaded.installation} ${now}`);
}

export function emptyWorld(installation: InstallationId, epoch: number, now: Millis): World {
  const nothing = {
    apps: [],
    nodes: [],
    placements: [],
    tombstones: [],
    fencingTokens: new Map(),
    observed: new Map(),
  };
  return worldFrom({ installation, epoch, seq: 0, ...nothing }, now);
}

/** Moves the World in place. */
export function applyChange(world: World, change: Change): void {
  throw new Error(`${world.seq} ${change.kind}`);
}

/** After a commit: the store's new number, the watch's revision. */
export function advanceSeq(world: World, seq: number): void {
  throw new Error(`${world.seq} ${seq}`);
}

/** A World of its own for dry runs: changes to it never show in the first. */
export function copyWorld(world: World): World {
  throw new Error(`${world.seq}`);
}
