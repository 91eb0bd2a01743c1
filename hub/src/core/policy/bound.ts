// Bound: which policies are about an app on a node, and what of the app's file they refuse: everywhere, on one node, or only in words
// (audit mode). Pure. It never says anything about what runs already: that goes on until it is to change.
import type { AppSpec, ServiceSpec } from "@skerry/shared/model/app.ts";
import { sameJson } from "@skerry/shared/model/canonical.ts";
import type { AppName, Revision, ServiceName } from "@skerry/shared/model/ids.ts";
import { type Ask, asksOf, type Subject } from "@skerry/shared/policy/asks.ts";
import { judge, type Violation } from "@skerry/shared/policy/judge.ts";
import type { Policy, ResolvedPolicy } from "@skerry/shared/policy/policy.ts";
import { isAboutApp, isAboutNode, resolved, saysSomething } from "@skerry/shared/policy/resolve.ts";
import { serviceOf, specAt } from "../lookup.ts";
import type { Node, Placement, Refusal, World } from "../world.ts";

type Policies = Pick<World, "policies">;

/** By name, as the World has them. */
const policiesOf = ({ policies }: Policies, app: AppName): readonly Policy[] =>
  [...policies.values()].filter((policy) => isAboutApp(policy, app));

/** Those that are about this app on this node, by name. */
export const boundOn = (world: Policies, app: AppName, { labels }: Pick<Node, "labels">): readonly Policy[] =>
  policiesOf(world, app).filter((policy) => isAboutNode(policy, labels));

/** What counts for this app on this node. null: no policy is bound, so `restricted`. */
export function policyOn(world: Policies, app: AppName, node: Pick<Node, "labels">): ResolvedPolicy | null {
  const bound = boundOn(world, app, node);
  return bound.length === 0 ? null : resolved(bound);
}

export const subjectOf = (app: AppName, { networks, volumes }: AppSpec, { container }: ServiceSpec): Subject => ({
  ...{ app, spec: container, networks, volumes },
});

/** Specs are immutable, so this is worked out once. A memory, not a state: forgetting it changes nothing. */
const asksKnown = new WeakMap<ServiceSpec, readonly Ask[]>();

function asksNothing(app: AppName, spec: AppSpec, service: ServiceSpec): boolean {
  const known = asksKnown.get(service) ?? asksOf(subjectOf(app, spec, service));
  asksKnown.set(service, known);
  return known.length === 0;
}

const hasRules = ({ policies }: Policies): boolean => [...policies.values()].some(({ rules }) => saysSomething(rules));

/** Why the policies refuse it on this node; null: they do not. */
export function policyRefusal(
  world: World,
  slot: { readonly app: AppName; readonly revision: Revision; readonly service: ServiceSpec },
  node: Node,
): Refusal | null {
  const app = world.apps.get(slot.app);
  const spec = app === undefined ? null : specAt(app, slot.revision);
  if (spec === null || (asksNothing(slot.app, spec, slot.service) && !hasRules(world))) return null;
  const subject = subjectOf(slot.app, spec, slot.service);
  const bound = boundOn(world, slot.app, node);
  const [first] = judge(subject, resolved(bound));
  if (first === undefined) return null;
  return {
    node: node.id,
    kind: "policy",
    text: `${first.message} here${elsewhere(world, slot.app, subject, bound, first)}`,
  };
}

function elsewhere(
  world: World,
  app: AppName,
  subject: Subject,
  bound: readonly Policy[],
  violation: Violation,
): string {
  const other = policiesOf(world, app).find(
    (policy) => !bound.includes(policy) && !hasSame(judge(subject, resolved([...bound, policy])), violation),
  );
  return other === undefined ? "" : `; policy ${other.name} allows it on nodes with ${other.nodeLabels.join(" or ")}`;
}

export const hasSame = (violations: readonly Violation[], { rule, value, field }: Violation): boolean =>
  violations.some((one) => one.rule === rule && one.value === value && one.field === field);

export interface ServiceViolation {
  readonly service: ServiceName;
  readonly violation: Violation;
}

/**
 * What no node could take. Grants count wherever they are bound, rules only where they are bound to all nodes: what is refused on some
 * nodes is for the scheduler to say. `strict`: as if no policy were in audit mode.
 */
export function appViolations(
  world: Policies,
  app: AppName,
  spec: AppSpec,
  strict = false,
): readonly ServiceViolation[] {
  const about = policiesOf(world, app);
  const everywhere = about.filter(({ nodeLabels }) => nodeLabels.length === 0);
  const policy: ResolvedPolicy = { ...resolved(about, strict), rules: resolved(everywhere, strict).rules };
  return spec.services.flatMap((service) =>
    judge(subjectOf(app, spec, service), policy).map((violation) => ({ service: service.name, violation })),
  );
}

/** Allowed, because a policy is in audit mode. */
export function auditedViolations(world: Policies, app: AppName, spec: AppSpec): readonly ServiceViolation[] {
  const refused = appViolations(world, app, spec).map(({ violation }) => violation);
  return appViolations(world, app, spec, true).filter(({ violation }) => !hasSame(refused, violation));
}

/** Policies that would allow it, if they were about this app too. */
export function othersThatAllow(
  world: Policies,
  app: AppName,
  spec: AppSpec,
  { service: name, violation }: ServiceViolation,
): readonly string[] {
  const service = spec.services.find((one) => one.name === name);
  if (service === undefined) return [];
  const about = policiesOf(world, app);
  const subject = subjectOf(app, spec, service);
  return [...world.policies.values()]
    .filter((policy) => !about.includes(policy))
    .filter((policy) => !hasSame(judge(subject, resolved([...about, policy])), violation))
    .map((policy) => policy.name);
}

/** What an older spec may do under the policy that a placement was made with. */
export const isAllowedFor = (placement: Placement, spec: AppSpec, service: ServiceSpec): boolean =>
  judge(subjectOf(placement.app, spec, service), placement.policy ?? undefined).length === 0;

/** A container as policies see it: which version of a secret or config it has is nothing that they ask about. */
const askedOf = ({ container }: ServiceSpec): unknown => ({
  ...container,
  files: container.files?.map((file) => ({ ...file, value: { ...file.value, version: "" } })) ?? null,
});

/** The same file, but for versions of secrets and configs: what of it is allowed was decided when it was applied. */
export function isRenewal(before: AppSpec, after: AppSpec): boolean {
  const asked = ({ services, ...rest }: AppSpec): unknown => ({
    ...rest,
    services: services.map((service) => ({ ...service, specHash: "", container: askedOf(service) })),
  });
  return sameJson(asked(before), asked(after));
}

/** What a slot that stays on its node asks for there it has already, under the policy that it was placed with. */
export function asksNothingNew(
  world: World,
  standing: Placement,
  slot: { readonly app: AppName; readonly revision: Revision; readonly service: ServiceSpec },
): boolean {
  const app = world.apps.get(slot.app);
  const [before, after] =
    app === undefined ? [null, null] : [specAt(app, standing.revision), specAt(app, slot.revision)];
  const service = before === null ? null : serviceOf(before, standing.service);
  if (before === null || after === null || service === null) return false;
  return (
    sameJson(askedOf(service), askedOf(slot.service)) &&
    sameJson([before.networks, before.volumes], [after.networks, after.volumes])
  );
}
