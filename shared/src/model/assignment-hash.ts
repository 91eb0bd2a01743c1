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

/** Of one container spec, as lower-case hex. */
export type SpecDigest = (spec: ContainerSpec) => string;

/**
 * Covers everything that a node applies. Each spec goes in by its digest, so that the hub works out one for all nodes; a spec hash is no
 * such digest: it was made with the networks of its own revision, which a newer one beside it may have changed.
 */
export function assignmentHashInput(assignment: Omit<Assignment, "hash">, digest: SpecDigest): string {
  return canonicalJson({
    installation: assignment.installation,
    node: assignment.node,
    position: assignment.position,
    apps: assignment.apps,
    workloads: assignment.workloads.map((workload) => withDigests(workload, digest)),
    retired: assignment.retired,
  });
}

function withDigests(workload: Workload, digest: SpecDigest): unknown {
  const { changeOver } = workload;
  const digested = { ...workload, spec: digest(workload.spec) };
  if (changeOver.previous === null) return digested;
  const previous = { ...changeOver.previous, spec: digest(changeOver.previous.spec) };
  return { ...digested, changeOver: { ...changeOver, previous } };
}

/** Negative: a before b; 0: the same; positive: a after b. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.generation - b.generation;
}
