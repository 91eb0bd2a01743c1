// What a node is told of how to change over to a placement's revision, and how to judge it. Pure. It follows from the placement and from
// immutable revisions alone, so that the content of a position never changes.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { ChangeOver, Previous } from "@skerry/shared/model/assignment.ts";
import { serviceOf, specAt } from "../lookup.ts";
import type { App, Placement } from "../world.ts";
import { policyOf } from "./policy.ts";

const ON_FAILURE = { rollback: "revert", pause: "wait", continue: "carry-on" } as const;

export function changeOverOf(app: App, service: ServiceSpec, { step }: Placement): ChangeOver {
  const policy = policyOf(step.kind, service);
  return {
    // Never two at once: the old one stops first.
    order: service.disconnect.policy === "fence" ? "stop-first" : policy.order,
    monitorMs: policy.monitorMs,
    deadlineMs: service.rollout.deadlineMs,
    onFailure: step.kind === "update" ? ON_FAILURE[policy.failureAction] : "carry-on",
    attempt: step.attempt,
    force: step.force,
    previous: step.previous === null ? null : previousOf(app, service, step.previous),
  };
}

function previousOf(app: App, { name }: ServiceSpec, revision: number): Previous | null {
  const spec = specAt(app, revision);
  const service = spec === null ? null : serviceOf(spec, name);
  if (service === null) return null;
  const { specHash, container, probes } = service;
  return { revision, specHash, spec: container, probes };
}
