// Check: what of the apps that are there policies would refuse now. Pure. It only tells: nothing that runs is stopped, and what is told here
// is what a further change would meet.
import type { AppName, NodeId, ServiceName } from "@skerry/shared/model/ids.ts";
import { judge, type Violation } from "@skerry/shared/policy/judge.ts";
import { resolved } from "@skerry/shared/policy/resolve.ts";
import { placedOf, serviceOf, sorted, specAt } from "../lookup.ts";
import type { App, World } from "../world.ts";
import { appViolations, auditedViolations, boundOn, hasSame, type ServiceViolation, subjectOf } from "./bound.ts";

export interface Found {
  readonly app: AppName;
  readonly service: ServiceName;
  /** null: nowhere; else not on this node, where it stands. */
  readonly node: NodeId | null;
  readonly violation: Violation;
  /** false: a policy in audit mode lets it through. */
  readonly enforced: boolean;
}

/** More is not read; who has so many changes the policy first. */
export const MAX_FOUND = 1_000;

/** By app, service, node. */
export function checkApps(world: World): readonly Found[] {
  const found: Found[] = [];
  for (const name of sorted(world.apps.keys())) {
    const app = world.apps.get(name);
    if (app === undefined) continue;
    const refused = appViolations(world, name, app.spec);
    const audited = auditedViolations(world, name, app.spec);
    for (const one of refused) found.push({ app: name, ...one, node: null, enforced: true });
    for (const one of audited) found.push({ app: name, ...one, node: null, enforced: false });
    found.push(...ofPlaced(world, app, [...refused, ...audited]));
    if (found.length >= MAX_FOUND) return found.slice(0, MAX_FOUND);
  }
  return found;
}

/** What the policies of the nodes on which copies are placed refuse, or would without audit mode, beside what is told of their services already. */
function ofPlaced(world: World, app: App, told: readonly ServiceViolation[]): readonly Found[] {
  return sorted(placedOf(world, app.name)).flatMap((id): readonly Found[] => {
    const placement = world.placements.get(id);
    const node = placement === undefined ? undefined : world.nodes.get(placement.node);
    const spec = placement === undefined ? null : specAt(app, placement.revision);
    const service = spec === null || placement === undefined ? null : serviceOf(spec, placement.service);
    if (node === undefined || spec === null || service === null) return [];
    const known = told.filter((one) => one.service === service.name).map(({ violation }) => violation);
    const subject = subjectOf(app.name, spec, service);
    const bound = boundOn(world, app.name, node);
    const refused = judge(subject, resolved(bound));
    return judge(subject, resolved(bound, true))
      .filter((violation) => !hasSame(known, violation))
      .map((violation) => ({
        ...{ app: app.name, service: service.name, node: node.id, violation, enforced: hasSame(refused, violation) },
      }));
  });
}
