// What follows for rollouts before anything is placed (too many failures pause them or roll them back, canaries are promoted by time),
// and after it: batches that are settled start their delay. Pure. A rollback is a new revision with the older content; it never fails itself.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { AppName } from "@skerry/shared/model/ids.ts";
import type { Millis, WallMillis } from "@skerry/shared/runtime/clock.ts";
import type { Change } from "../change.ts";
import type { Draft } from "../draft.ts";
import { copiesOf, serviceOf } from "../lookup.ts";
import type { FailedSpec, Rollout, ServiceRollout } from "../rollout-state.ts";
import type { App, World } from "../world.ts";
import { thresholdMissed } from "./batch.ts";
import { beginRollout, isGoodContent, revisionLike, withFailedSpecs } from "./begin.ts";
import { isLookedAt, isUnderWay, type Look } from "./looks.ts";
import { activeRollout, policyOf } from "./policy.ts";
import { gateOf, isInFlight, judgedAlready, type Slot, slotsOf, wantedSlots } from "./slots.ts";

export interface Advanced {
  /** The World with these changes in it. */
  readonly seen: World;
  readonly changes: readonly Change[];
}

export function advanceRollouts(
  world: World,
  draft: Draft,
  looks: ReadonlyMap<AppName, Look>,
  now: Millis,
  wallMs: WallMillis,
): Advanced {
  let seen = world;
  const changes: Change[] = [];
  for (const [name, look] of looks) {
    const app = seen.apps.get(name);
    const rollout = app === undefined ? null : activeRollout(seen.rollouts, app);
    if (app === undefined || rollout === null || rollout.state.kind !== "progressing") continue;
    const fresh = advance(seen, draft, app, look, rollout, now, wallMs);
    if (fresh.length === 0) continue;
    changes.push(...fresh);
    seen = withChanges(seen, fresh);
  }
  return { seen, changes };
}

function advance(
  seen: World,
  draft: Draft,
  app: App,
  look: Look,
  rollout: Rollout,
  now: Millis,
  wallMs: WallMillis,
): readonly Change[] {
  const services = lookedAt(app, look, rollout).flatMap(({ state, service }): readonly InService[] => {
    if (isUnderWay(seen, draft, app, state.service) && !mayHaveFailed(seen, app, rollout, state, service)) return [];
    const slots = slotsOf(seen, app, service, draft.copies(app.name, state.service).values());
    return [{ state, service, slots: slots.map((slot) => (slot.same ? judgedAlready(seen, slot) : slot)) }];
  });
  for (const one of services) {
    const { failureAction } = policyOf(rollout.kind, one.service);
    const reason = failureAction === "continue" ? null : whyFailed(seen, one, rollout.kind);
    if (reason === null) continue;
    const mayGoBack = failureAction === "rollback" && app.lastGood !== null && app.lastGood !== app.revision;
    return mayGoBack ? rollBack(seen, app, rollout, reason, wallMs) : pause(seen, app, rollout, reason, wallMs);
  }
  const promoted = services.filter((one) => isPromoted(seen, app, one, now)).map(({ state }) => state);
  if (promoted.length === 0) return [];
  const after = rollout.services.map((each) =>
    promoted.includes(each) ? { ...each, canary: "promoted" as const } : each,
  );
  return [{ kind: "rollout-set", rollout: { ...rollout, services: after } }];
}

/** Those of the rollout's services that are in the file, and looked at. */
function lookedAt(app: App, look: Look, rollout: Rollout): readonly Omit<InService, "slots">[] {
  return rollout.services.flatMap((state) => {
    const service = serviceOf(app.spec, state.service);
    return service === null || !isLookedAt(look, state.service) ? [] : [{ state, service }];
  });
}

/** More verdicts than are allowed; whether they are about this revision takes a look at each. */
function mayHaveFailed(
  seen: World,
  app: App,
  { kind }: Rollout,
  { forgiven }: ServiceRollout,
  service: ServiceSpec,
): boolean {
  const copies = seen.copies.get(app.name)?.get(service.name);
  return copies !== undefined && copies.failed.size > Math.max(forgiven, mostFailed(kind, service, copies.all.size));
}

const mostFailed = (kind: Rollout["kind"], service: ServiceSpec, placed: number): number =>
  policyOf(kind, service).maxFailureRatio * wantedSlots(service, placed);

/**
 * null: it has not failed. More failures than the policy's share of the slots, and than an operator went on in spite of; or a batch in
 * which too few passed for the next one to begin. A rollback cannot fail.
 */
function whyFailed(world: World, { service, state, slots }: InService, kind: Rollout["kind"]): string | null {
  if (kind === "rollback") return null;
  const failed = slots.filter(isFailed).length;
  if (failed > state.forgiven && failed > mostFailed(kind, service, slots.length))
    return failureText(world, service, slots);
  const missed = kind === "update" ? thresholdMissed(service, state, slots) : null;
  if (missed === null) return null;
  const share = `${missed.failed} of ${missed.failed + missed.passed} so far, more than its success_threshold allows`;
  return `${failureText(world, service, slots)}: ${share}`;
}

const isFailed = ({ phase }: Slot): boolean => phase === "failed";

/** As many as fit into a sentence. */
const MAX_NAMED = 3;

function failureText(world: World, service: ServiceSpec, slots: readonly Slot[]): string {
  const failed = slots.filter(isFailed);
  const named = failed.slice(0, MAX_NAMED).map(({ placement, node }) => {
    const gate = gateOf(world, placement);
    return `${node?.name ?? placement.node}: ${gate?.kind === "failed" ? gate.reason : "failed"}`;
  });
  const more = failed.length > MAX_NAMED ? ` (and ${failed.length - MAX_NAMED} more)` : "";
  return `${service.name} failed on ${named.join("; ")}${more}`;
}

/** Every service of this revision of which a copy failed; what the last good one has too failed within what its file allows. */
function failedSpecs(world: World, app: App): readonly FailedSpec[] {
  return app.spec.services.flatMap((service): readonly FailedSpec[] => {
    if (isGoodContent(app, service)) return [];
    for (const placement of copiesOf(world, app.name, service.name)) {
      if (placement.specHash !== service.specHash) continue;
      const gate = gateOf(world, placement);
      if (gate?.kind !== "failed") continue;
      const { name, specHash } = service;
      return [{ service: name, specHash, revision: app.revision, reason: gate.reason }];
    }
    return [];
  });
}

function pause(seen: World, app: App, rollout: Rollout, reason: string, wallMs: WallMillis): readonly Change[] {
  const known: App = { ...app, failedSpecs: withFailedSpecs(app, failedSpecs(seen, app)) };
  return [
    { kind: "app-set", app: known, source: { sameAs: app.revision } },
    { kind: "rollout-set", rollout: { ...rollout, state: { kind: "paused", by: "hub", reason, atMs: wallMs } } },
    { kind: "hub-event", event: { kind: "rollout-paused", app: app.name, revision: app.revision, reason } },
  ];
}

function rollBack(seen: World, app: App, rollout: Rollout, reason: string, wallMs: WallMillis): readonly Change[] {
  const { lastGood } = app;
  const like = lastGood === null ? null : revisionLike(seen, app, lastGood, "hub", wallMs);
  if (lastGood === null || like === null) return pause(seen, app, rollout, reason, wallMs);
  const next: App = { ...like, failedSpecs: withFailedSpecs(app, failedSpecs(seen, app)) };
  const state = { kind: "failed", reason, next: next.revision, atMs: wallMs } as const;
  const ended: Rollout = { ...rollout, state };
  const why = `revision ${app.revision} failed: ${reason}`;
  const begun = beginRollout(withChanges(seen, [{ kind: "rollout-set", rollout: ended }]), app, next, {
    ...{ kind: "rollback", by: "hub", reason: why, wallMs, retry: false, force: true },
  });
  return [
    { kind: "rollout-set", rollout: ended },
    { kind: "hub-event", event: { kind: "rollout-failed", app: app.name, revision: app.revision, reason } },
    { kind: "app-set", app: next, source: { sameAs: lastGood } },
    ...begun,
  ];
}

interface InService {
  readonly state: ServiceRollout;
  readonly service: ServiceSpec;
  readonly slots: readonly Slot[];
}

/** Also without a batch, when some copies had the new container before. */
const isSettled = ({ state, slots }: InService): boolean =>
  (state.batch > 0 || slots.some(({ phase, same }) => phase !== "behind" || same)) && !slots.some(isInFlight);

/**
 * From this moment the delay of a settled batch and the promotion of canaries count. Looks at the draft: what a decision lets through, or
 * stops, is in it.
 */
export function settle(
  seen: World,
  draft: Draft,
  app: App,
  look: Look,
  rollout: Rollout,
  now: Millis,
): readonly Change[] {
  return lookedAt(app, look, rollout).flatMap(({ state, service }): readonly Change[] => {
    const copies = draft.copies(app.name, service.name).values();
    const isNow =
      !isUnderWay(seen, draft, app, service.name) &&
      isSettled({ state, service, slots: slotsOf(seen, app, service, copies) });
    const isKnown = seen.settledSinceMs.has(`${app.name}/${service.name}`);
    if (isNow === isKnown) return [];
    return [{ kind: "settled-since", app: app.name, service: service.name, atMs: isNow ? now : null }];
  });
}

/** Its canaries were good for as long as the file asks. One that waits for an operator, or has a failure, is never promoted by time. */
function isPromoted(seen: World, app: App, one: InService, now: Millis): boolean {
  const { state, service, slots } = one;
  const after = service.rollout.canary?.promoteAfterMs ?? null;
  if (state.canary !== "open" || after === null || !isSettled(one)) return false;
  const through = slots.filter(({ phase }) => phase !== "behind");
  if (through.some(({ phase }) => phase === "failed") || !through.some(({ phase }) => phase === "passed")) return false;
  return (seen.settledSinceMs.get(`${app.name}/${service.name}`) ?? now) + after <= now;
}

/** The next moment at which time alone moves one of these rollouts. */
export function rolloutTimes(seen: World, apps: Iterable<AppName>): readonly Millis[] {
  const times: Millis[] = [];
  for (const name of apps) {
    const app = seen.apps.get(name);
    const rollout = app === undefined ? null : activeRollout(seen.rollouts, app);
    if (app === undefined || rollout === null) continue;
    for (const state of rollout.services) {
      const service = serviceOf(app.spec, state.service);
      const since = seen.settledSinceMs.get(`${name}/${state.service}`);
      if (service === null || since === undefined) continue;
      times.push(since + policyOf(rollout.kind, service).delayMs);
      const after = service.rollout.canary?.promoteAfterMs ?? null;
      if (state.canary === "open" && after !== null) times.push(since + after);
    }
  }
  return times;
}

/** For looking on; the real ones are applied by the control loop. */
export function withChanges(world: World, changes: readonly Change[]): World {
  const apps = new Map(world.apps);
  const rollouts = new Map(world.rollouts);
  const settledSinceMs = new Map(world.settledSinceMs);
  for (const change of changes) {
    if (change.kind === "app-set") apps.set(change.app.name, change.app);
    else if (change.kind === "rollout-set") rollouts.set(change.rollout.app, change.rollout);
    else if (change.kind === "settled-since") {
      const key = `${change.app}/${change.service}`;
      if (change.atMs === null) settledSinceMs.delete(key);
      else settledSinceMs.set(key, change.atMs);
    }
  }
  return { ...world, apps, rollouts, settledSinceMs };
}
