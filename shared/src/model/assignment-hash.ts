// What goes into the two hashes, as canonical text. Pure; the shell applies SHA-256 to it.
import type { AppNetwork, AppVolume } from "./app.ts";
import type { Assignment, Position, Workload } from "./assignment.ts";
import { canonicalJson } from "./canonical.ts";
import type { ContainerSpec } from "./container.ts";

/** A container must be replaced when its own spec changes, or a network or volume that it is made with. */
export function specHashInput(
  container: ContainerSpec,
  networks: readonly AppNetwork[],
  volumes: readonly AppVolume[],
): string {
  return canonicalJson({ container, networks, volumes });
}

/** Covers identity, position and content; a workload's spec, and that of its `previous`, is covered by its spec hash. */
export function assignmentHashInput(assignment: Omit<Assignment, "hash">): string {
  return canonicalJson({
    installation: assignment.installation,
    node: assignment.node,
    position: assignment.position,
    apps: assignment.apps,
    workloads: assignment.workloads.map(withoutSpecs),
    retired: assignment.retired,
  });
}

function withoutSpecs({ spec: _spec, ...identity }: Workload): unknown {
  const { changeOver } = identity;
  if (changeOver.previous === null) return identity;
  const { spec: _previous, ...previous } = changeOver.previous;
  return { ...identity, changeOver: { ...changeOver, previous } };
}

/** Negative: a before b; 0: the same; positive: a after b. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.generation - b.generation;
}
