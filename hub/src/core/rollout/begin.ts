// How a rollout begins, and which older revisions an app keeps meanwhile. Pure. One that was under way gives way: editing goes
// straight to the newest revision.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { Revision } from "@skerry/shared/model/ids.ts";
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";
import type { Change } from "../change.ts";
import { copiesOf, placedOf, serviceOf, specAt } from "../lookup.ts";
import type { FailedSpec, Rollout, ServiceRollout } from "../rollout-state.ts";
import type { App, AppRevision, World } from "../world.ts";
import { activeRollout } from "./policy.ts";
import { gateOf } from "./slots.ts";

export interface Beginning {
  readonly kind: "update" | "rollback";
  readonly by: string;
  readonly reason: string;
  readonly wallMs: WallMillis;
  /** Failed specs are tried again. */
  readonly retry: boolean;
  readonly force: boolean;
}

/** `app` is the new revision, `before` the one it follows; null: the app is new. The changes do not hold `app-set`. */
export function beginRollout(world: World, before: App | null, app: App, beginning: Beginning): readonly Change[] {
  const { kind, by, reason, wallMs, retry, force } = beginning;
  const changes: Change[] = [];
  const earlier = before === null ? undefined : world.rollouts.get(before.name);
  if (earlier !== undefined && isUnderWay(earlier)) {
    const state = { kind: "superseded", next: app.revision, atMs: wallMs } as const;
    changes.push({ kind: "rollout-set", rollout: { ...earlier, state } });
  }
  const rollout: Rollout = {
    app: app.name,
    revision: app.revision,
    kind: app.lastGood === null ? "first" : kind,
    from: app.lastGood,
    by,
    reason,
    attempt: retry ? app.revision : 0,
    force,
    startedAtMs: wallMs,
    state: { kind: "progressing" },
    services: serviceRollouts(world, before, app, kind, retry),
  };
  changes.push({ kind: "rollout-set", rollout });
  changes.push({
    kind: "hub-event",
    event: { kind: "rollout-started", app: app.name, revision: app.revision, reason },
  });
  for (const { name } of app.spec.services)
    if (world.settledSinceMs.has(`${app.name}/${name}`))
      changes.push({ kind: "settled-since", app: app.name, service: name, atMs: null });
  return changes;
}

const isUnderWay = ({ state }: Rollout): boolean => state.kind === "progressing" || state.kind === "paused";

/**
 * Only services with something to change: a copy with another spec, or none yet. And those that the rollout before let through to what
 * is wanted again, while they are not proven: what they still show decides on this revision.
 */
function serviceRollouts(
  world: World,
  before: App | null,
  app: App,
  kind: Beginning["kind"],
  retry: boolean,
): readonly ServiceRollout[] {
  return app.spec.services.flatMap((service): readonly ServiceRollout[] => {
    const copies = copiesOf(world, app.name, service.name);
    const isSame = copies.length > 0 && copies.every(({ specHash }) => specHash === service.specHash);
    if (isSame && !retry) {
      if (isGoodContent(app, service) || copies.every((copy) => gateOf(world, copy)?.kind === "passed")) return [];
      const carried = kind === "update" ? carriedOn(world, before, service) : null;
      return [carried ?? { service: service.name, batch: 0, canary: "none", forgiven: 0 }];
    }
    const canary = kind === "update" && app.lastGood !== null && copies.length > 0 && service.rollout.canary !== null;
    return [{ service: service.name, batch: 0, canary: canary ? "open" : "none", forgiven: 0 }];
  });
}

/** What the last good revision has too was judged when that was rolled out; what a straggler makes of it concerns its node alone. */
export function isGoodContent(app: App, { name, specHash }: ServiceSpec): boolean {
  const good = app.lastGood === null ? null : specAt(app, app.lastGood);
  return good !== null && serviceOf(good, name)?.specHash === specHash;
}

/** How far the rollout that gives way had come with the same content: failures that an operator went on in spite of stay forgiven. */
function carriedOn(world: World, before: App | null, service: ServiceSpec): ServiceRollout | null {
  if (before === null || serviceOf(before.spec, service.name)?.specHash !== service.specHash) return null;
  return activeRollout(world.rollouts, before)?.services.find((each) => each.service === service.name) ?? null;
}

/** The revisions that a placement stands at or may go back to, and the last good one; sorted. */
export function keptRevisions(world: World, app: App): readonly AppRevision[] {
  const used = new Set<Revision>(app.lastGood === null ? [] : [app.lastGood]);
  for (const id of placedOf(world, app.name)) {
    const placement = world.placements.get(id);
    if (placement === undefined) continue;
    used.add(placement.revision);
    if (placement.step.previous !== null) used.add(placement.step.previous);
  }
  return [...app.older, { revision: app.revision, spec: app.spec }].filter(({ revision }) => used.has(revision));
}

/** An app remembers so many failed specs; the oldest go. Each is some 200 bytes. */
const MAX_FAILED_SPECS = 20;

export function withFailedSpecs(app: App, failed: readonly FailedSpec[]): readonly FailedSpec[] {
  const fresh = new Set(failed.map(({ service, specHash }) => `${service} ${specHash}`));
  const kept = app.failedSpecs.filter(({ service, specHash }) => !fresh.has(`${service} ${specHash}`));
  return [...kept, ...failed].slice(-MAX_FAILED_SPECS);
}

/** The new revision that has the content of `app`'s revision `to`. null: that content is not kept. */
export function revisionLike(world: World, app: App, to: Revision, by: string, wallMs: WallMillis): App | null {
  const spec = specAt(app, to);
  if (spec === null) return null;
  return {
    ...app,
    revision: app.revision + 1,
    spec,
    older: keptRevisions(world, app),
    appliedBy: by,
    appliedAtMs: wallMs,
  };
}
