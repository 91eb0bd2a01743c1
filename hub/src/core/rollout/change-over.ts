// What a node is told of how to change over to a placement's revision, and how to judge it. Pure. It follows from the placement and from
// immutable revisions alone, so that the content of a position never changes.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { ChangeOver, Previous } from "@skerry/shared/model/assignment.ts";
import { serviceOf, specAt } from "../lookup.ts";
import { isAllowedFor } from "../policy/bound.ts";
import type { App, Placement } from "../world.ts";
import { policyOf } from "./policy.ts";

const ON_FAILURE = { rollback: "revert", pause: "wait", continue: "carry-on" } as const;

export function changeOverOf(app: App, service: ServiceSpec, placement: Placement): ChangeOver {
  const { step } = placement;
  const policy = policyOf(step.kind, service);
  return {
    // Never two at once: the old one stops first.
    order: service.disconnect.policy === "fence" ? "stop-first" : policy.order,
    monitorMs: policy.monitorMs,
    deadlineMs: service.rollout.deadlineMs,
    onFailure: step.kind === "update" ? ON_FAILURE[policy.failureAction] : "carry-on",
    attempt: step.attempt,
    force: step.force,
    previous: step.previous === null ? null : previousOf(app, service, placement, step.previous),
  };
}

/** What policies no longer allow is nothing to go back to. */
function previousOf(app: App, { name }: ServiceSpec, placement: Placement, revision: number): Previous | null {
  const spec = specAt(app, revision);
  const service = spec === null ? null : serviceOf(spec, name);
  if (spec === null || service === null || !isAllowedFor(placement, spec, service)) return null;
  const { specHash, container, probes } = service;
  return { revision, specHash, spec: container, probes };
}
