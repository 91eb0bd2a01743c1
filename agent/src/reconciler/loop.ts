// The reconcile loop: look, plan, write down, act, look again. Level-triggered and single flight: a wake-up carries no input, and many
// of them make one turn. It knows nothing of the hub but what the ledger holds and how long the hub has been silent.
// Boring on purpose: everything that decides is in core.

import type { Assignment, Position, Workload } from "@skerry/shared/model/assignment.ts";
import { canonicalJson } from "@skerry/shared/model/canonical.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import type { Condition, PortInUse } from "@skerry/shared/model/node.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import { BugError } from "@skerry/shared/runtime/assert.ts";
import { type Millis, sleep } from "@skerry/shared/runtime/clock.ts";
import type { Action, Lane, Plan } from "../core/action.ts";
import { chanceFrom } from "../core/chance.ts";
import { NO_VALUES, type PlanContext } from "../core/plan/scene.ts";
import { gateOf, imagesOf, targetsOf } from "../core/plan/target.ts";
import { plan } from "../core/plan.ts";
import { type Outcome, rememberOutcome } from "../core/remember.ts";
import { advance, statusesAt, type Timeline } from "../core/timeline.ts";
import { EngineError, type EngineEvent } from "../engine/engine.ts";
import type { LedgerChange } from "../ledger/ledger.ts";
import { Prober } from "../prober/prober.ts";
import { Ends } from "./ends.ts";
import { EngineHealth } from "./engine-health.ts";
import { type Former, formerDependencies, NOTHING_KNOWN, takeIn, volumesLeft } from "./former.ts";
import { Journal } from "./journal.ts";
import { failsItsWorkload, Lanes } from "./lanes.ts";
import { type Look, Observer } from "./observe.ts";
import type { Reconciler, ReconcilerParts } from "./reconciler.ts";
import { Watching } from "./watching.ts";

/** Without any event the engine is looked at this often: a silent event stream is found out, and it costs 0.1 % of a core. */
const FULL_LOOK_MS = 30_000;
/** Engine events come in bursts of two or three within a millisecond; more waiting would show in every heal and deploy. */
const COALESCE_MS = 3;
/** Between two looks passes at least this many times what a look takes, so that bursts of events leave the machine to the containers. */
const LOOK_SHARE = 2;
/** And never more than this, however slow the engine is. */
const MAX_GAP_MS = 500;
/** How often a pull's progress is shown. */
const PROGRESS_LOOK_MS = 2_000;
/** After a failed look that does not count as a lost engine yet. */
const LOOK_AGAIN_MS = 1_000;
/** Calls in flight at the end are waited for no longer than this; their effect is found at the next start. */
const STOP_WAIT_MS = 5_000;

export function createReconciler(parts: ReconcilerParts): Reconciler {
  return new Loop(parts);
}

class Loop implements Reconciler {
  readonly #parts: ReconcilerParts;
  readonly #journal: Journal;
  readonly #observer: Observer;
  readonly #lanes: Lanes;
  readonly #health: EngineHealth;
  readonly #watching: Watching;
  readonly #ends: Ends;
  readonly #prober: Prober;
  readonly #seed: number;
  readonly #statusListeners = new Set<() => void>();
  readonly #eventListeners = new Set<() => void>();

  #timeline: Timeline = new Map();
  #planConditions: readonly Condition[] = [];
  #ports: readonly PortInUse[] = [];
  #judged: Position | null = null;
  /** Rises with every change of a status that is not an age. */
  #statusVersion = 0;
  #told = "";

  #wanted = true;
  #signal: () => void = () => undefined;
  #stopping = false;
  #ended: Promise<void> = Promise.resolve();
  #bug: { readonly error: unknown } | null = null;
  #nextTurnMs: Millis = 0;
  #nextFullMs: Millis = 0;
  #gapUntilMs: Millis = 0;
  #rebuildTold = false;
  /** Since when the engine has been looked at without a break; null: the next look is the first. */
  #unbrokenSinceMs: Millis | null = null;
  #former: Former = NOTHING_KNOWN;

  constructor(parts: ReconcilerParts) {
    const { clock, engine, labelKey, ledger, link, log, random } = parts;
    this.#parts = parts;
    this.#seed = Math.floor(random.next() * 0xffff_ffff);
    this.#journal = new Journal(ledger, clock, log);
    this.#observer = new Observer(engine, labelKey, clock);
    this.#health = new EngineHealth(engine, clock, random);
    this.#ends = new Ends(engine, clock);
    this.#prober = new Prober({
      ...{ clock, chance: this.#chance, ask: parts.ask },
      onNews: () => this.wake("probe"),
      onBug: (error) => this.#onBug(error),
    });
    this.#watching = new Watching(
      parts,
      (event) => this.#onEvent(event),
      (reason) => this.#onGap(reason),
    );
    this.#lanes = new Lanes({
      ...(parts.times === undefined ? {} : { times: parts.times }),
      ...(parts.hostPaths === undefined ? {} : { hostPaths: parts.hostPaths }),
      ...(parts.values === undefined ? {} : { values: parts.values }),
      clock,
      engine,
      labelKey,
      log,
      random,
      link,
      desired: () => this.#journal.desired(),
      onOutcome: (lane, action, outcome) => this.#onOutcome(lane, action, outcome),
      onEnd: (lane) => this.wake(`lane ${lane.key} ended`),
      onBug: (error) => this.#onBug(error),
    });
  }

  // ---- for the rest of the agent

  wake(reason: string): void {
    if (!this.#wanted) this.#parts.log.debug("woken", { reason });
    this.#wanted = true;
    this.#signal();
  }

  run(): Promise<void> {
    this.#ended = this.#runUntilStopped();
    return this.#ended;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#watching.close();
    this.#prober.stop();
    this.#signal();
    const flights = this.#lanes.stop();
    await Promise.race([
      Promise.all([flights, this.#ended.catch(() => undefined)]),
      sleep(this.#parts.clock, STOP_WAIT_MS),
    ]);
  }

  statuses(): readonly WorkloadStatus[] {
    const now = this.#parts.clock.monotonicMs();
    const memory = this.#journal.memory();
    return statusesAt(this.#timeline, now).map((status) => withAgo(status, memory, this.#parts.bootId, now));
  }

  ports(): readonly PortInUse[] {
    return this.#ports;
  }

  judged(): Position | null {
    return this.#judged;
  }

  conditions(): readonly Condition[] {
    const conditions: Condition[] = [...this.#planConditions];
    const away = this.#health.away();
    if (away !== null) {
      const message = `the container engine does not answer (${away.reason}): what is shown is older; see to the engine on the node`;
      conditions.push({ kind: "engine-unreachable", message });
    }
    const trouble = this.#journal.trouble();
    if (trouble !== null) {
      const message = `the agent cannot write its ledger (${trouble.message}): free some space on its disk; what runs is still looked after`;
      conditions.push({ kind: "disk-full", message });
    }
    const { ledgerLost } = this.#parts;
    if (ledgerLost !== null && this.#journal.desired() === null) {
      const message = `the ledger was lost (${ledgerLost}): containers run on as they are until the hub says what is wanted`;
      conditions.push({ kind: "ledger-rebuilt", message });
    }
    return conditions;
  }

  onStatus(listener: () => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  onEvents(listener: () => void): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  // ---- turns

  async #runUntilStopped(): Promise<void> {
    this.#watching.open();
    const trouble = await this.#health.learn();
    if (trouble !== null) this.#engineFailed(trouble);
    try {
      while (!this.#stopping) {
        await this.#waitForTurn();
        if (this.#stopping) break;
        await this.#turn();
        this.#throwBug();
      }
    } finally {
      this.#watching.close();
    }
    this.#throwBug();
  }

  #throwBug(): void {
    if (this.#bug !== null) throw this.#bug.error;
  }

  async #waitForTurn(): Promise<void> {
    const { clock } = this.#parts;
    if (!this.#wanted) await this.#untilWoken(this.#nextTurnMs - clock.monotonicMs());
    if (this.#stopping) return;
    await sleep(clock, Math.max(COALESCE_MS, this.#gapUntilMs - clock.monotonicMs()));
    this.#wanted = false;
  }

  #untilWoken(atMostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.clock.setTimer(Math.ceil(Math.max(0, atMostMs)), () => this.#signal());
      this.#signal = () => {
        this.#signal = () => undefined;
        timer.cancel();
        resolve();
      };
    });
  }

  async #turn(): Promise<void> {
    if (!(await this.#engineAnswers())) return;
    const look = await this.#look();
    // Nothing may be awaited from here on: what is planned is launched against the same assignment and memory.
    if (look === null || this.#stopping) return;
    const desired = this.#journal.desired();
    if (desired !== look.desired) this.wake("assignment changed during the look");
    this.#lanes.tidy();
    this.#lanes.cancelUnwanted(desired);
    const now = this.#parts.clock.monotonicMs();
    this.#unbrokenSinceMs ??= now;
    const planned = plan(
      desired,
      look.observed,
      this.#journal.memory(),
      this.#context(desired, look, this.#unbrokenSinceMs),
      now,
    );
    const advanced = advance(this.#timeline, planned.statuses, look.observed.own, now);
    this.#timeline = advanced.timeline;
    if (advanced.changed) this.#statusVersion += 1;
    this.#planConditions = planned.conditions;
    this.#ports = look.observed.ports;
    this.#judged = desired?.position ?? null;
    this.#write([...this.#ownershipChanges(look), ...memoryChanges(planned)], [...planned.events, ...advanced.events]);
    for (const lane of planned.lanes) this.#lanes.launch(lane, desired);
    this.#setNextTurn(planned.wakeAtMs);
    this.#tell();
  }

  async #engineAnswers(): Promise<boolean> {
    if (this.#health.away() === null) return true;
    const back = await this.#health.ask();
    if (back === null) {
      this.#nextTurnMs = this.#health.away()?.nextAskMs ?? this.#parts.clock.monotonicMs();
      return false;
    }
    this.#parts.log.info("engine answers again", back);
    this.#write([], [{ kind: "engine-back", ...back }]);
    if (back.restarted) this.#ends.restarted();
    this.#observer.forgetAll();
    this.#lanes.forgetRests();
    this.#nextFullMs = 0;
    this.#watching.open();
    return true;
  }

  async #look(): Promise<Seen | null> {
    const { clock } = this.#parts;
    const desired = this.#journal.desired();
    const startedMs = clock.monotonicMs();
    const full = startedMs >= this.#nextFullMs;
    const inFlight = this.#lanes.busy();
    try {
      await this.#parts.times?.look(desired, () => this.wake("update windows"));
      const look = await this.#observer.look({
        images: desired === null ? [] : imagesOf(desired),
        recorded: () => this.#journal.containers(),
        beingRemoved: () => this.#lanes.beingRemoved(),
        inWork: () => this.#lanes.inWork(),
        full,
      });
      const endedMs = clock.monotonicMs();
      if (full) this.#nextFullMs = endedMs + FULL_LOOK_MS;
      this.#gapUntilMs = endedMs + Math.min(MAX_GAP_MS, LOOK_SHARE * (endedMs - startedMs));
      this.#health.answered();
      const ends = await this.#ends.read(look.observed.own, this.#journal.memory(), this.#lanes.inWork());
      this.#ends.looked();
      if (this.#parts.values !== undefined) {
        await this.#parts.values.look(desired, look.observed.own, () => this.#journal.desired());
      }
      return { ...look, desired, inFlight, ends };
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.#engineFailed(error);
      return null;
    }
  }

  #engineFailed(error: EngineError): void {
    this.#unbrokenSinceMs = null;
    if (this.#health.failed(error)) {
      this.#parts.log.warn("engine does not answer", { reason: error.message });
      this.#watching.close();
      this.#write([], [{ kind: "engine-lost", reason: error.message }]);
    }
    this.#nextTurnMs = this.#health.away()?.nextAskMs ?? this.#parts.clock.monotonicMs() + LOOK_AGAIN_MS;
    this.#tell();
  }

  #context(desired: Assignment | null, { observed, inFlight, ends }: Seen, unbrokenSinceMs: Millis): PlanContext {
    this.#former = takeIn(this.#former, desired, new Set(observed.own.map(({ workload }) => workload)));
    const memory = this.#journal.memory();
    const aimed = desired === null ? null : targetsOf(desired, memory);
    const isProven = (wanted: Workload): boolean => gateOf(memory.get(wanted.id), wanted).verdict.kind === "passed";
    return {
      busy: inFlight,
      pulls: this.#lanes.pulls(),
      resting: this.#lanes.resting(),
      link: this.#parts.link(),
      bootId: this.#parts.bootId,
      chance: this.#chance,
      formerDependencies: formerDependencies(this.#former),
      readiness: this.#prober.follow(aimed, observed.own, isProven),
      ends,
      metered: this.#parts.metered,
      safeMode: this.#parts.safeMode(),
      openWindows: this.#parts.times?.windows(desired) ?? new Map(),
      holds: this.#parts.times?.holds() ?? new Map(),
      unbrokenSinceMs,
      values: this.#parts.values?.here() ?? NO_VALUES,
    };
  }

  readonly #chance = (key: string): number => chanceFrom(this.#seed, key);

  #ownershipChanges({ observed, adopted: unrecorded, inFlight }: Seen): readonly LedgerChange[] {
    // A lane in flight records what it makes by itself.
    const adopted = unrecorded.filter(({ workload }) => !inFlight.has(workload));
    const lost = observed.vanished.map(({ id }): LedgerChange => ({ kind: "container", containerId: id, id: null }));
    const found = adopted.map(
      ({ id, workload }): LedgerChange => ({ kind: "container", containerId: id, id: workload }),
    );
    const { ledgerLost } = this.#parts;
    if (ledgerLost === null || this.#rebuildTold) return [...lost, ...found];
    this.#rebuildTold = true;
    const rebuilt: NodeEvent = { kind: "ledger-rebuilt", reason: ledgerLost, adopted: adopted.length };
    return [...lost, ...found, this.#journal.event(rebuilt)];
  }

  #setNextTurn(wakeAtMs: Millis | null): void {
    const now = this.#parts.clock.monotonicMs();
    const rests = [...this.#lanes.resting().values()].map(({ untilMs }) => untilMs).filter((untilMs) => untilMs > now);
    // A pull's progress wakes nobody by itself.
    const pulling = this.#lanes.pulls().size > 0 ? [now + PROGRESS_LOOK_MS] : [];
    this.#nextTurnMs = Math.min(this.#nextFullMs, wakeAtMs ?? Number.POSITIVE_INFINITY, ...rests, ...pulling);
  }

  // ---- what happens meanwhile

  #onEvent(event: EngineEvent): void {
    this.#ends.take(event);
    if (this.#observer.take(event)) this.wake(`${event.kind} ${event.action}`);
  }

  #onGap(reason: string): void {
    this.#ends.silent();
    this.#observer.forgetAll();
    this.wake(reason);
  }

  #onOutcome(lane: Lane, action: Action, outcome: Outcome): void {
    if (!outcome.ok && outcome.kind === "unreachable")
      this.#engineFailed(new EngineError("unreachable", outcome.message));
    // A refusal shows that something is not as it was taken to be (an image deleted, an edit), and perhaps no event told of it.
    if (!outcome.ok) this.#observer.forgetAll();
    else if (touchesSurroundings(action)) this.#observer.forgetSurroundings();
    if (!outcome.ok && !failsItsWorkload(lane, action)) return;
    const moment = { bootId: this.#parts.bootId, now: this.#parts.clock.monotonicMs(), chance: this.#chance };
    const desired = this.#journal.desired();
    const { memory, events } = rememberOutcome(
      desired === null ? null : targetsOf(desired, this.#journal.memory()),
      this.#journal.memory(),
      action,
      outcome,
      moment,
    );
    const records = outcome.ok ? containerRecords(action, outcome.containerId) : [];
    const changes = memory.map((change): LedgerChange => ({ kind: "memory", ...change }));
    this.#write([...records, ...changes], [...events, ...this.#volumesKept(action, outcome)]);
  }

  #volumesKept(action: Action, outcome: Outcome): readonly NodeEvent[] {
    if (action.kind !== "remove-container" || !outcome.ok) return [];
    const { workload } = action;
    const left = volumesLeft(this.#former, this.#journal.desired(), workload);
    return left.map((volume) => ({ kind: "volume-kept", workload, volume }));
  }

  #onBug(error: unknown): void {
    this.#bug ??= { error: error instanceof Error ? error : new BugError(String(error)) };
    this.wake("bug");
  }

  // ---- telling

  #write(changes: readonly LedgerChange[], events: readonly NodeEvent[]): void {
    this.#journal.write([...changes, ...events.map((event) => this.#journal.event(event))]);
    if (events.length > 0) for (const listener of this.#eventListeners) listener();
  }

  #tell(): void {
    const now = canonicalJson([this.#statusVersion, this.conditions(), this.#ports, this.#judged]);
    if (now === this.#told) return;
    this.#told = now;
    for (const listener of this.#statusListeners) listener();
  }
}

interface Seen extends Look {
  /** Held when the look began. */
  readonly desired: Assignment | null;
  /** Lanes in flight when the look began: what one of them did meanwhile may be seen in part, and is left to the next look. */
  readonly inFlight: ReadonlyMap<string, Lane>;
  readonly ends: PlanContext["ends"];
}

/** What ended in another boot ended nobody knows how long ago. */
function withAgo(status: WorkloadStatus, memory: Memories, bootId: string, now: Millis): WorkloadStatus {
  const [last] = memory.get(status.id)?.runs ?? [];
  if (status.lastEnd === null || last === undefined || last.bootId !== bootId) return status;
  return { ...status, lastEnd: { ...status.lastEnd, agoMs: Math.max(0, Math.round(now - last.atMs)) } };
}

type Memories = ReturnType<Journal["memory"]>;

function memoryChanges({ memory }: Plan): readonly LedgerChange[] {
  return memory.map((change): LedgerChange => ({ kind: "memory", ...change }));
}

function containerRecords(action: Action, containerId: string | null): readonly LedgerChange[] {
  if (action.kind === "create-container" && containerId !== null) {
    return [{ kind: "container", containerId, id: action.workload.id }];
  }
  if (action.kind === "remove-container") return [{ kind: "container", containerId: action.containerId, id: null }];
  return [];
}

function touchesSurroundings({ kind }: Action): boolean {
  return kind === "pull-image" || kind === "create-network" || kind === "remove-network" || kind === "create-volume";
}
