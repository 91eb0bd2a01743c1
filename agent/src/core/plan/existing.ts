// Existing: the containers that stand for one wanted workload, sorted into named buckets. Pure.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import { containerName } from "@skerry/shared/model/names.ts";
import type { ContainerStatus } from "../../engine/engine.ts";
import type { OwnContainer } from "../observed.ts";

export interface Existing {
  /** Made from the wanted spec hash (and, for a fence, under the wanted token); the best of them when there are several. */
  readonly matching: OwnContainer | null;
  /** Further ones beside a matching one: duplicates and outdated ones. To be removed. */
  readonly extras: readonly OwnContainer[];
  /** Made from another hash while none matches: to be replaced. The best first. */
  readonly outdated: readonly OwnContainer[];
  /** The last good one, kept until its successor has passed: one of `outdated` while none matches, and never one of `extras`. */
  readonly kept: OwnContainer | null;
  /** The engine is removing them already. */
  readonly removing: readonly OwnContainer[];
}

export const NOTHING_EXISTS: Existing = { matching: null, extras: [], outdated: [], kept: null, removing: [] };

/** `keptHash`: of what is to be kept beside it; null: nothing is. */
export function sortExisting(
  workload: Workload,
  own: readonly OwnContainer[],
  keptHash: string | null = null,
): Existing {
  const removing = own.filter(({ summary }) => summary.status === "removing");
  const name = containerName(workload.app, workload.service, workload.slot);
  const standing = own
    .filter(({ summary }) => summary.status !== "removing")
    .sort((a, b) => rank(a, name) - rank(b, name) || (a.summary.id < b.summary.id ? -1 : 1));
  const matching = standing.find((container) => matches(workload, container)) ?? null;
  const others = standing.filter((container) => container !== matching);
  const kept = keptHash === null ? null : (others.find(({ specHash }) => specHash === keptHash) ?? null);
  if (matching === null) return { matching, extras: [], outdated: others, kept, removing };
  return { matching, extras: others.filter((other) => other !== kept), outdated: [], kept, removing };
}

/** By the spec-hash label alone. A larger fencing token is another placement, which the container must show. */
export function matches(workload: Workload, { specHash, fencingToken }: OwnContainer): boolean {
  if (specHash !== workload.specHash) return false;
  return workload.fencingToken === 0 || fencingToken === workload.fencingToken;
}

const STATUS_RANK: Readonly<Record<ContainerStatus, number>> = {
  running: 0,
  restarting: 1,
  paused: 2,
  created: 3,
  exited: 4,
  dead: 5,
  removing: 6,
};

/** Running before stopped, then the one with the right name. */
function rank({ summary }: OwnContainer, name: string): number {
  return STATUS_RANK[summary.status] * 2 + (summary.name === name ? 0 : 1);
}

/** Has processes: must be stopped before it can be removed. */
export function isUp({ summary }: OwnContainer): boolean {
  return summary.status === "running" || summary.status === "paused" || summary.status === "restarting";
}

export function hasRun({ details }: OwnContainer): boolean {
  return details.ranMs !== null;
}

/** All that stand for it, whatever their part. */
export function standingOf({ matching, extras, outdated, kept }: Existing): readonly OwnContainer[] {
  const beside = kept === null || outdated.includes(kept) ? [] : [kept];
  return [...(matching === null ? [] : [matching]), ...beside, ...extras, ...outdated];
}

/** What a status shows: the matching one, else the one that stands in its place. */
export function shownOf({ matching, outdated, removing }: Existing): OwnContainer | null {
  return matching ?? outdated[0] ?? removing[0] ?? null;
}
