// decide: what follows from what changed. Pure; its cost follows the change, not the fleet.
// It never moves what stands because something else changed, and never lowers a position.
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { AppName, NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { Millis, WallMillis } from "@skerry/shared/runtime/clock.ts";
import { BRAKE_RECHECK_MS, brakeAt } from "./brake.ts";
import type { Change } from "./change.ts";
import { Draft } from "./draft.ts";
import { drainedEvents, drainMoves } from "./drain.ts";
import { type Judgement, judge, nextDueMs } from "./judge.ts";
import { byText, sorted, wantedService } from "./lookup.ts";
import { outcomeChanges } from "./outcome.ts";
import { nodeOfSlot, Placer } from "./place.ts";
import { lowestPriority } from "./preempt.ts";
import { advanceRollouts, rolloutTimes, settle, withChanges } from "./rollout/advance.ts";
import { doneChanges, isDone, letThrough, stragglers } from "./rollout/let-through.ts";
import { type Look, rolloutLooks } from "./rollout/looks.ts";
import type { Rollout } from "./rollout-state.ts";
import type { Failure, Want } from "./want.ts";
import {
  dueToMoveMs,
  missingOn,
  missingSlots,
  moveWant,
  removeUnwanted,
  unwantedReason,
  updateInPlace,
  wantAgain,
} from "./wants.ts";
import { applyIntents, endedWishes, pausedOf } from "./wishes.ts";
import type { App, Brake, Placement, Refusal, World } from "./world.ts";

export interface Settings {
  /** Above this share of nodes lost at once the hub is the one cut off: replacing stops. */
  readonly brakeShare: number;
  /** Rounds of placing in one decision. Each ends with less to do, or a mistake would hold the hub up for ever. */
  readonly maxRounds: number;
}

/**
 * The share is from DESIGN: 55 %. A round pushes out only what is lower, so that there are as many as priorities in use (and a few for
 * batches that find no room): nobody has a thousand.
 */
export const DEFAULT_SETTINGS: Settings = { brakeShare: 0.55, maxRounds: 1_000 };

/** How much was looked at; for the test that cost follows the change. */
export interface Effort {
  nodeChecks: number;
}

/**
 * `wallMs` is for showing only: when a rollout ended.
 * Applied to the World, these changes leave nothing more to decide at `now`. Call it after every change and when `world.dueMs` is
 * reached; it returns [] when there is nothing to do.
 */
export function decide(
  world: World,
  now: Millis,
  settings: Settings,
  effort: Effort = { nodeChecks: 0 },
  wallMs: WallMillis = 0,
): readonly Change[] {
  const judgement = judge(world, now);
  if (judgement === null) return [];
  const brake = brakeNow(judgement, now, settings);
  const judged: World = { ...judgement.seen, brake };
  const draft = new Draft(judged);
  // Before rollouts are looked at: what is started or stopped just now is judged like all that is.
  applyIntents(judged, draft, judged.dirtyApps, judgement.changed);
  const asked = looksAt(judged, judgement);
  const { seen, changes: advanced } = advanceRollouts(judged, draft, asked, now, wallMs);
  draft.goOnIn(seen);
  const looks = widened(asked, judged, seen);
  const pass = new Pass(seen, draft, now, judgement, looks, settings.maxRounds);
  pass.run(wallMs);
  effort.nodeChecks += pass.placer.examined;
  const changes = [
    ...judgement.changes,
    ...brakeChanges(world.brake, brake),
    ...advanced,
    ...outcomeChanges(seen, pass.draft, pass.failures, pass.settled, judgement, now),
    ...pass.rolledOn,
    ...pass.preemptions(),
    ...pass.cutShort(),
    ...drainedEvents(seen, pass.draft),
    ...endedWishes(seen, pass.draft, seen.dirtyApps),
  ];
  const touched = [...pass.draft.touched.values()].flatMap((placement) => (placement === null ? [] : [placement.node]));
  const due = nextDueMs(seen, now, judgement, new Set([...judgement.changed, ...touched]), [
    ...pass.waitsUntil(),
    ...rolloutTimes(withChanges(seen, pass.rolledOn), looks.keys()),
  ]);
  const dueMs = brake === null ? due : Math.min(due ?? Number.POSITIVE_INFINITY, now + BRAKE_RECHECK_MS);
  const { listeningSinceMs } = seen;
  const [apps, nodes] = [sorted(world.dirtyApps), sorted(world.dirtyNodes)];
  return [...changes, { kind: "decided", apps, nodes, dueMs, listeningSinceMs }];
}

/**
 * At all of the dirty ones, and at those whose rollout may go on: by time, by what became of a node, or by what was said. Nothing of a
 * paused app is placed, changed or moved.
 */
function looksAt(seen: World, { changed, scanned }: Judgement): ReadonlyMap<AppName, Look> {
  const looks = new Map<AppName, Look>(rolloutLooks(seen, changed, scanned));
  for (const app of seen.dirtyApps) looks.set(app, "all");
  const apps = sorted(looks.keys()).filter((app) => pausedOf(seen, app) === null);
  return new Map(apps.map((app) => [app, looks.get(app) ?? "all"]));
}

/** Of whom the rollout, or the revision, is another now, all is looked at. */
function widened(looks: ReadonlyMap<AppName, Look>, before: World, now: World): ReadonlyMap<AppName, Look> {
  const isSame = (app: AppName): boolean =>
    before.apps.get(app) === now.apps.get(app) && before.rollouts.get(app) === now.rollouts.get(app);
  return new Map([...looks].map(([app, look]) => [app, isSame(app) ? look : "all"]));
}

/** The brake is looked at when something would move, when nodes were lost, and as long as it is on. */
function brakeNow({ seen, lost, changed, scanned }: Judgement, now: Millis, settings: Settings): Brake | null {
  const asked = seen.brake !== null || lost.length > 0 || dueMoves(seen, scanned ? "all" : changed, now).length > 0;
  return asked ? brakeAt(seen, now, settings.brakeShare) : null;
}

function brakeChanges(before: Brake | null, brake: Brake | null): readonly Change[] {
  if ((before === null) === (brake === null)) return [];
  if (brake === null)
    return [
      { kind: "brake-set", brake },
      { kind: "hub-event", event: { kind: "brake-off" } },
    ];
  const { unreachable, nodes } = brake;
  return [
    { kind: "brake-set", brake },
    { kind: "hub-event", event: { kind: "brake-on", unreachable, nodes } },
  ];
}

/** Copies whose time on silent nodes is over. Those that found no other node before are not among them: they wait for a change. */
function dueMoves(seen: World, among: ReadonlySet<NodeId> | "all", now: Millis): readonly Placement[] {
  const due: Placement[] = [];
  for (const node of among === "all" ? seen.reachability.keys() : among) {
    if (seen.reachability.get(node)?.kind !== "unreachable") continue;
    for (const id of seen.placementsByNode.get(node) ?? []) {
      const placement = seen.placements.get(id);
      if (placement === undefined || seen.unplaced.has(id) || pausedOf(seen, placement.app) !== null) continue;
      const at = dueToMoveMs(seen, placement);
      if (at !== null && at <= now) due.push(placement);
    }
  }
  return due;
}

interface Ask {
  readonly want: Want;
  readonly among: ReadonlySet<NodeId> | "all";
}

/** Who matters more is served first, whichever app it is of. */
const askOrder = ({ want: a }: Ask, { want: b }: Ask): number =>
  b.service.priority - a.service.priority ||
  byText(a.app, b.app) ||
  byText(a.service.name, b.service.name) ||
  Number(a.slot) - Number(b.slot) ||
  byText(a.slot, b.slot);

/** One decision being worked out. */
class Pass {
  readonly draft: Draft;
  readonly placer: Placer;
  readonly failures = new Map<WorkloadId, Failure>();
  /** Entries of `world.unplaced` that were looked at: those without a failure are cleared. */
  readonly settled = new Set<WorkloadId>();
  readonly #seen: World;
  readonly #now: Millis;
  readonly #judgement: Judgement;
  readonly #looks: ReadonlyMap<AppName, Look>;
  /** Those of which all is looked at. */
  readonly #apps: ReadonlySet<AppName>;
  /** Rollouts as they are after what this pass let through. */
  readonly #rollouts = new Map<AppName, Rollout>();
  readonly #batches: Change[] = [];
  /** What became of rollouts in this pass. */
  rolledOn: readonly Change[] = [];
  /** Removed from a node that no longer matches; they want another. */
  readonly #orphans: Placement[] = [];
  /** Pushed out by a slot of higher priority, and for whom. */
  readonly #evicted = new Map<WorkloadId, { readonly placement: Placement; readonly by: WorkloadId }>();
  /** Services for which nobody could be pushed out, among which nodes. */
  readonly #noVictims = new Map<string, Ask["among"]>();
  #lowest: number | null = null;
  /** Rounds that are left. */
  #rounds: number;
  readonly #merged = new Map<readonly Refusal[], Map<readonly Refusal[], readonly Refusal[]>>();

  constructor(
    seen: World,
    draft: Draft,
    now: Millis,
    judgement: Judgement,
    looks: ReadonlyMap<AppName, Look>,
    maxRounds: number,
  ) {
    this.#rounds = maxRounds;
    this.#seen = seen;
    this.#now = now;
    this.#judgement = judgement;
    this.#looks = looks;
    this.#apps = new Set([...looks].flatMap(([app, look]) => (look === "all" ? [app] : [])));
    this.draft = draft;
    this.placer = new Placer(seen, draft, now);
  }

  /** First what makes room, then what needs it; then again for those whom that left without, as long as it makes room. */
  run(wallMs: WallMillis): void {
    for (const app of this.#apps) removeUnwanted(this.#seen, this.draft, app);
    this.#removeFromChangedNodes();
    const behind = this.#updates();
    const changed = new Set([...this.#judgement.changed, ...this.draft.takeFreed()]);
    this.#place([...this.#everywhere(behind), ...this.#among(changed), ...this.#globalsOn(changed)]);
    // A batch of which nothing found room is no reason to wait.
    for (let wants = this.#updates(); wants.length > 0 && this.#mayGoOn(); wants = this.#updates())
      this.#place(wants.map((want) => ({ want, among: "all" })));
    this.#useWhatIsFreed();
    this.rolledOn = this.#finishRollouts(wallMs);
    // Last: it moves what runs, so whoever has no node at all comes before it.
    for (const failure of drainMoves(this.#seen, this.draft, this.placer))
      this.failures.set(failure.want.workload, failure);
    this.#useWhatIsFreed();
  }

  #useWhatIsFreed(): void {
    for (let freed = this.draft.takeFreed(); freed.size > 0 && this.#mayGoOn(); freed = this.draft.takeFreed()) {
      const again = [...this.failures.values()].filter(({ refusals }) => !refusals.some(isFenceWait));
      const asks = again.map(({ want }) => ({ want, among: freed }));
      this.#place([...asks, ...this.#pushedOut(), ...this.#among(freed)]);
    }
    // Only when it was cut short is anybody left, who waits for the next change like all that found no room.
    for (const { want } of this.#pushedOut()) this.failures.set(want.workload, { want, refusals: NO_REFUSALS });
  }

  #mayGoOn(): boolean {
    this.#rounds -= 1;
    return this.#rounds >= 0;
  }

  /** Said when deciding came to no end by itself. */
  cutShort(): readonly Change[] {
    if (this.#rounds >= 0) return [];
    return [{ kind: "hub-event", event: { kind: "decision-cut-short", waiting: this.failures.size } }];
  }

  /** Those pushed out since the last look want another node, as if they were new. */
  #pushedOut(): readonly Ask[] {
    return [...this.#evicted.values()].flatMap(
      ({ placement: { workload, app, service, slot, revision } }): readonly Ask[] => {
        if (this.draft.placement(workload) !== null || this.failures.has(workload)) return [];
        const want = wantAgain(this.#seen, this.draft, { app, service, slot, revision, refusals: [] }, this.#now);
        return want === null ? [] : [{ want, among: "all" }];
      },
    );
  }

  /** true: a slot that fits nowhere has pushed others out and taken their room. */
  #preempts(want: Want, among: Ask["among"]): boolean {
    this.#lowest ??= lowestPriority(this.#seen);
    const service = `${want.app}/${want.service.name}`;
    const isGlobal = want.service.mode.kind === "global";
    if (want.service.priority <= this.#lowest || (!isGlobal && this.#noVictims.get(service) === among)) return false;
    const found = this.placer.victims(want, among);
    if (found === null) {
      this.#noVictims.set(service, among);
      return false;
    }
    for (const placement of found.victims) {
      this.draft.remove(placement, `made room for ${want.workload}, which has a higher priority`);
      this.#evicted.set(placement.workload, { placement, by: want.workload });
    }
    const refusals = this.placer.place(want, new Set([found.node]));
    assert(refusals === null, `${want.workload} does not fit where room was made for it`);
    return true;
  }

  /** Said of those that did not come back to where they were. */
  preemptions(): readonly Change[] {
    return [...this.#evicted].flatMap(([workload, { placement, by }]): readonly Change[] =>
      this.draft.placement(workload)?.node === placement.node || !this.#seen.placements.has(workload)
        ? []
        : [{ kind: "hub-event", event: { kind: "preempted", workload, node: placement.node, by } }],
    );
  }

  /** The earliest end of a fence that a slot waits for. */
  waitsUntil(): readonly Millis[] {
    const ends: Millis[] = [];
    for (const { refusals } of this.failures.values())
      for (const refusal of refusals)
        if (refusal.kind === "fence-wait" && refusal.untilMs !== null) ends.push(refusal.untilMs);
    return ends;
  }

  #removeFromChangedNodes(): void {
    for (const node of sorted(this.#judgement.changed))
      for (const id of sorted(this.#seen.placementsByNode.get(node) ?? [])) {
        const placement = this.draft.placement(id);
        if (placement === null || this.#apps.has(placement.app)) continue;
        if (pausedOf(this.#seen, placement.app) !== null) continue;
        const service = wantedService(this.#seen, placement.app, placement.service);
        const reason = unwantedReason(this.#seen, placement, service);
        if (reason === null) continue;
        this.draft.remove(placement, reason);
        if (service?.mode.kind === "replicated") this.#orphans.push(placement);
      }
  }

  /** Brings to their app's revision whom its rollout lets through now. Returns those that do not fit where they stand. */
  #updates(): readonly Want[] {
    const failed = new Set(this.failures.keys());
    return [...this.#looks].flatMap(([name, look]) => {
      const app = this.#seen.apps.get(name);
      if (app === undefined) return [];
      const stuck = { before: this.#seen.unplacedByApp.get(name) ?? NO_SLOTS, now: failed };
      const known = this.#rollouts.get(name) ?? null;
      const { steps, rollout, events } = letThrough(this.#seen, this.draft, app, look, known, stuck, this.#now);
      if (rollout !== null) this.#rollouts.set(name, rollout);
      this.#batches.push(...events);
      return updateInPlace(this.#seen, this.draft, this.placer, app, steps);
    });
  }

  #finishRollouts(wallMs: WallMillis): readonly Change[] {
    const changes = [...this.#batches];
    for (const [name, rollout] of this.#rollouts) {
      const app = this.#seen.apps.get(name);
      const look = this.#looks.get(name);
      if (app === undefined || look === undefined || rollout.state.kind !== "progressing") continue;
      const isStuck = (id: WorkloadId): boolean => this.failures.has(id) || this.#seen.unplaced.has(id);
      if (isDone(this.#seen, this.draft, app, look, rollout, isStuck)) {
        changes.push(...this.#finish(app, rollout, wallMs));
        continue;
      }
      if (rollout !== this.#seen.rollouts.get(name)) changes.push({ kind: "rollout-set", rollout });
      changes.push(...settle(this.#seen, this.draft, app, look, rollout, this.#now));
    }
    return changes;
  }

  /** What the rollout held back is wanted now: those that are away or stand stopped, and slots that were new in its revision. */
  #finish(app: App, rollout: Rollout, wallMs: WallMillis): readonly Change[] {
    const changes = doneChanges(this.#seen, app, rollout, wallMs);
    const steps = stragglers(this.#seen, this.draft, app);
    const behind = updateInPlace(this.#seen, this.draft, this.placer, app, steps);
    const isHeldBack = rollout.services.some(({ canary }) => canary === "open");
    const fresh = isHeldBack ? missingSlots(withChanges(this.#seen, changes), this.draft, app) : [];
    for (const { workload } of fresh) this.settled.add(workload);
    this.#place([...behind, ...fresh].map((want) => ({ want, among: "all" })));
    return changes;
  }

  /** Slots that may go to any node. */
  #everywhere(behind: readonly Want[]): readonly Ask[] {
    const wants: Want[] = [...behind];
    for (const name of this.#apps) {
      const app = this.#seen.apps.get(name);
      if (app !== undefined) wants.push(...missingSlots(this.#seen, this.draft, app));
      for (const id of sorted(this.#seen.unplacedByApp.get(name) ?? [])) wants.push(...this.#stillMoving(id));
    }
    for (const { app, service, slot, revision } of this.#orphans) {
      const want = wantAgain(this.#seen, this.draft, { app, service, slot, revision, refusals: [] }, this.#now);
      if (want !== null) wants.push(want);
    }
    if (this.#seen.brake === null)
      for (const placement of dueMoves(this.#seen, this.#moveNodes(), this.#now)) {
        // It may have got another revision in this pass, where it stands; it must leave all the same.
        const standing = this.draft.placement(placement.workload);
        const want = standing?.node === placement.node ? moveWant(this.#seen, standing, this.#now) : null;
        if (want !== null) wants.push(want);
      }
    return wants.map((want) => ({ want, among: "all" }));
  }

  #moveNodes(): ReadonlySet<NodeId> | "all" {
    const { scanned, changed, brakeWasOn } = this.#judgement;
    return scanned || brakeWasOn ? "all" : changed;
  }

  /** An entry of a dirty app: settled, unless it is a copy that must leave its node and has found no other yet. */
  #stillMoving(id: WorkloadId): readonly Want[] {
    const entry = this.#seen.unplaced.get(id);
    const standing = this.draft.placement(id);
    const want = entry === undefined || standing === null ? null : wantAgain(this.#seen, this.draft, entry, this.#now);
    if (want?.kind === "move" && this.#seen.brake !== null) return [];
    this.settled.add(id);
    return want?.kind === "move" ? [want] : [];
  }

  /** Slots that found nothing before and may fit on these nodes now. */
  #among(nodes: ReadonlySet<NodeId>): readonly Ask[] {
    if (nodes.size === 0 && !this.#judgement.scanned) return [];
    const asks: Ask[] = [];
    for (const [app, ids] of this.#seen.unplacedByApp) {
      if (this.#apps.has(app) || pausedOf(this.#seen, app) !== null) continue;
      for (const id of ids) asks.push(...this.#askAgain(id, nodes));
    }
    return asks;
  }

  #askAgain(id: WorkloadId, nodes: ReadonlySet<NodeId>): readonly Ask[] {
    const entry = this.#seen.unplaced.get(id);
    if (entry === undefined || this.failures.has(id)) return [];
    const waits = entry.refusals.some(isFenceWait);
    if (nodes.size === 0 && !waits) return [];
    if (entry.slot.startsWith("n") && !nodes.has(nodeOfSlot(entry.slot))) return [];
    const want = wantAgain(this.#seen, this.draft, entry, this.#now);
    if (want?.kind === "move" && this.#seen.brake !== null) return [];
    this.settled.add(id);
    return want === null ? [] : [{ want, among: waits ? "all" : nodes }];
  }

  /** Global services that are not looked at as a whole, on the nodes that changed. */
  #globalsOn(nodes: ReadonlySet<NodeId>): readonly Ask[] {
    if (nodes.size === 0) return [];
    const asks: Ask[] = [];
    for (const app of this.#seen.apps.values()) {
      if (this.#apps.has(app.name) || pausedOf(this.#seen, app.name) !== null) continue;
      for (const service of app.spec.services) {
        if (service.mode.kind !== "global") continue;
        for (const node of nodes)
          for (const want of missingOn(this.#seen, this.draft, app, service, node))
            if (!this.#seen.unplaced.has(want.workload)) asks.push({ want, among: "all" });
      }
    }
    return asks;
  }

  #place(asks: readonly Ask[]): void {
    for (const { want, among } of [...asks].sort(askOrder)) {
      const refusals = this.placer.place(want, among);
      const before =
        this.failures.get(want.workload)?.refusals ?? this.#seen.unplaced.get(want.workload)?.refusals ?? NO_REFUSALS;
      if (refusals === null || this.#preempts(want, among)) this.failures.delete(want.workload);
      else this.failures.set(want.workload, { want, refusals: this.#merge(before, refusals, among) });
    }
  }

  /**
   * What other nodes said before still holds. Copies of one service share the lists, so this is worked out once for all of them; and
   * the list of before comes back when nothing in it is different.
   */
  #merge(before: readonly Refusal[], fresh: readonly Refusal[], among: Ask["among"]): readonly Refusal[] {
    const known = this.#merged.get(before)?.get(fresh);
    if (known !== undefined) return known;
    const kept = among === "all" ? [] : before.filter(({ node }) => !among.has(node) && this.#seen.nodes.has(node));
    const all = [...kept, ...fresh].sort((a, b) => byText(a.node, b.node) || byText(a.kind, b.kind));
    const merged = all.length === before.length && canonicalJson(all) === canonicalJson(before) ? before : all;
    const byFresh = this.#merged.get(before) ?? new Map<readonly Refusal[], readonly Refusal[]>();
    this.#merged.set(before, byFresh.set(fresh, merged));
    return merged;
  }
}

/** One list for all that were not refused before, so that what follows from it is worked out once. */
const NO_REFUSALS: readonly Refusal[] = [];
const NO_SLOTS: ReadonlySet<WorkloadId> = new Set();
const isFenceWait = ({ kind }: Refusal): boolean => kind === "fence-wait";
