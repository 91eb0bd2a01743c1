// Policies: what becomes of the commands about them, and of an app that they refuse. Pure. A policy never stops what runs: it is asked
// when something is to change.

import type { AppSpec } from "@skerry/shared/model/app.ts";
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { Policy } from "@skerry/shared/policy/policy.ts";
import { ok } from "@skerry/shared/runtime/result.ts";
import type { Change } from "../change.ts";
import type { CommandContext, HandleResult, PolicyCommand } from "../command.ts";
import { refuse } from "../refuse.ts";
import type { World } from "../world.ts";
import { appViolations, auditedViolations, othersThatAllow, type ServiceViolation } from "./bound.ts";

/** More than people can keep apart; all of them are looked at for each node that a slot is tried on. */
export const MAX_POLICIES = 100;
/** One sentence with more mistakes than this is not read. */
const MAX_TOLD = 5;

export function handlePolicy(world: World, command: PolicyCommand, context: CommandContext): HandleResult {
  const before = world.policies.get(command.name);
  const conflict = revisionConflict(command, before);
  if (conflict !== null) return conflict;
  if (command.kind === "remove-policy") return removed(world, command.name, before, context);
  const { name, fields } = command;
  if (before === undefined && world.policies.size >= MAX_POLICIES)
    return refuse("limit", `there are ${MAX_POLICIES} policies, which is the most`, "remove some: skerry policy ls");
  const policy: Policy = { ...fields, name, revision: (before?.revision ?? 0) + 1 };
  if (before !== undefined && canonicalJson({ ...policy, revision: before.revision }) === canonicalJson(before))
    return ok({ changes: [], outcome: { kind: "policy-changed", policy: before, changed: false } });
  return ok({
    changes: [
      { kind: "policy-set", policy },
      {
        kind: "hub-event",
        event: { kind: "policy-changed", policy: name, what: policyText(policy), by: context.actor },
      },
      lookAgain(world),
    ],
    outcome: { kind: "policy-changed", policy, changed: true },
  });
}

function removed(world: World, name: string, before: Policy | undefined, { actor }: CommandContext): HandleResult {
  if (before === undefined)
    return refuse("not-found", `there is no policy ${name}`, "skerry policy ls lists them", "policy");
  return ok({
    changes: [
      { kind: "policy-removed", name },
      { kind: "hub-event", event: { kind: "policy-removed", policy: name, by: actor } },
      lookAgain(world),
    ],
    outcome: { kind: "policy-removed", name },
  });
}

/** Slots that found no node, for which this policy may have been the reason, or may be now. */
const lookAgain = (world: World): Change => ({
  kind: "dirty",
  apps: [...world.unplacedByApp.keys()].sort(),
  nodes: [],
});

function revisionConflict({ name, ifRevision }: PolicyCommand, before: Policy | undefined): HandleResult | null {
  const revision = before?.revision ?? 0;
  if (ifRevision === null || ifRevision === revision) return null;
  const now = before === undefined ? `policy ${name} does not exist` : `policy ${name} is at revision ${revision}`;
  return refuse(
    "conflict",
    `${now}, not at ${ifRevision}: someone changed it in the meantime`,
    `look at it (skerry policy show ${name}) and set it again`,
    "ifRevision",
  );
}

/** "restricted, enforced, for app meter on nodes with gpio=yes". */
export function policyText({ profile, mode, apps, nodeLabels }: Policy): string {
  const whose = apps.length === 0 ? "all apps" : `${apps.length === 1 ? "app" : "apps"} ${apps.join(", ")}`;
  const where = nodeLabels.length === 0 ? "all nodes" : `nodes with ${nodeLabels.join(" or ")}`;
  return `${profile}, ${mode === "audit" ? "only told" : "enforced"}, for ${whose} on ${where}`;
}

/** null: the policies allow this file on some node at least. */
export function appRefusal(world: World, spec: AppSpec): HandleResult | null {
  const violations = appViolations(world, spec.name, spec);
  const [first] = violations;
  if (first === undefined) return null;
  const others = othersThatAllow(world, spec.name, spec, first);
  const more =
    others.length === 0
      ? ""
      : ` Policy ${others[0] ?? ""} allows it, but is not about app ${spec.name}: its apps and nodes can be added to.`;
  return refuse(
    "policy",
    violationsText(violations),
    `${first.violation.hint}${more}`,
    `services.${first.service}.${first.violation.field}`,
  );
}

export function violationsText(violations: readonly ServiceViolation[]): string {
  const told = violations
    .slice(0, MAX_TOLD)
    .map(({ service, violation }) => `service ${service}: ${violation.message}`);
  const rest = violations.length - told.length;
  return rest === 0 ? told.join("; ") : `${told.join("; ")}; and ${rest} more`;
}

/** The event of what a policy in audit mode lets through. */
export function auditEvents(world: World, spec: AppSpec, by: string): readonly Change[] {
  const violations = auditedViolations(world, spec.name, spec);
  if (violations.length === 0) return [];
  const reason = violationsText(violations);
  return [{ kind: "hub-event", event: { kind: "policy-audited", app: spec.name, reason, by } }];
}
