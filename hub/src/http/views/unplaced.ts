// Why no node can take a slot, grouped: "2 nodes: needs 512 MB, 380 MB free; 1 node: label site=shop missing".
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Refusal, World } from "../../core/world.ts";

/** Groups shown; more are summed up. */
const MAX_GROUPS = 6;

export function unplacedText(world: World, refusals: readonly Refusal[]): string {
  if (world.nodes.size === 0) return "there are no nodes yet";
  if (refusals.length === 0) return "no node fits";
  const counts = new Map<string, number>();
  for (const refusal of refusals) {
    const text = refusalText(refusal);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const groups = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const shown = groups.slice(0, MAX_GROUPS).map(([text, count]) => `${nodes(count)}: ${text}`);
  const rest = groups.slice(MAX_GROUPS).reduce((sum, [, count]) => sum + count, 0);
  return [...shown, ...(rest > 0 ? [`${nodes(rest)}: other reasons`] : [])].join("; ");
}

const nodes = (count: number): string => (count === 1 ? "1 node" : `${count} nodes`);
const megabytes = (bytes: number): string => `${Math.max(0, Math.floor(bytes / 1_048_576))} MB`;
const cpus = (nano: number): string => String(Math.max(0, Math.floor(nano / 10_000_000)) / 100);

export function refusalText(refusal: Refusal): string {
  switch (refusal.kind) {
    case "cordoned":
      return "cordoned";
    case "unreachable":
      return "not heard from";
    case "awaited":
      return "not heard from since this hub started";
    case "fence-wait":
      return "a fenced copy may still stand there; the slot waits until it must have stopped";
    case "no-facts":
      return "has not said yet what it is";
    case "constraint":
      return refusal.found === null
        ? `${refusal.text} not met (it has no such label)`
        : `${refusal.text} not met (it has ${refusal.found})`;
    case "memory":
      return `needs ${megabytes(refusal.needBytes)}, ${megabytes(refusal.freeBytes)} free`;
    case "cpu":
      return `needs ${cpus(refusal.needNanoCpus)} CPUs, ${cpus(refusal.freeNanoCpus)} free`;
    case "port":
      return `port ${refusal.port}/${refusal.protocol} is held by ${refusal.holder}`;
    case "max-per-node":
      return `has ${refusal.most} already, the most per node`;
    case "too-many-workloads":
      return `runs ${refusal.most} workloads, the most per node`;
    default:
      return assertNever(refusal);
  }
}
