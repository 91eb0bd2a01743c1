// How a rollout begins, and which older revisions an app keeps meanwhile. Pure. One that was under way gives way: editing goes
// straight to the newest revision.
import type { AppName, Revision } from "@skerry/shared/model/ids.ts";
import type { WallMillis } from "@skerry/shared/runtime/clock.ts";
import type { Change } from "../change.ts";
import { specAt } from "../lookup.ts";
import type { FailedSpec, Rollout, ServiceRollout } from "../rollout-state.ts";
import type { App, AppRevision, World } from "../world.ts";

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
    services: serviceRollouts(world, app, kind, retry),
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

/** Only services with something to change: a copy with another spec, or none yet. */
function serviceRollouts(world: World, app: App, kind: Beginning["kind"], retry: boolean): readonly ServiceRollout[] {
  const standing = new Map<string, Set<string>>();
  for (const id of world.placementsByApp.get(app.name) ?? []) {
    const placement = world.placements.get(id);
    if (placement === undefined) continue;
    const hashes = standing.get(placement.service) ?? new Set();
    standing.set(placement.service, hashes.add(placement.specHash));
  }
  return app.spec.services.flatMap((service): readonly ServiceRollout[] => {
    const hashes = standing.get(service.name);
    const isSame = hashes !== undefined && hashes.size === 1 && hashes.has(service.specHash);
    if (isSame && !retry) return [];
    const canary =
      kind === "update" && app.lastGood !== null && hashes !== undefined && service.rollout.canary !== null;
    return [{ service: service.name, batch: 0, canary: canary ? "open" : "none", forgiven: 0 }];
  });
}

/** The revisions that a placement stands at or may go back to, and the last good one; sorted. */
export function keptRevisions(world: World, app: App): readonly AppRevision[] {
  const used = new Set<Revision>(app.lastGood === null ? [] : [app.lastGood]);
  for (const id of world.placementsByApp.get(app.name) ?? []) {
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

export const rolloutOf = (world: World, app: AppName): Rollout | null => world.rollouts.get(app) ?? null;
