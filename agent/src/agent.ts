// The agent: link, ledger and reconciler wired together. No globals, no real timers, no real network: main.ts and the simulator pass in
// what they have. It starts from the ledger at once, whether there is a hub or not.
import type { Position } from "@skerry/shared/model/assignment.ts";
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Condition, NodeFacts, NodeFigures } from "@skerry/shared/model/node.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { Clock, Millis, Timer } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { type Judged, judge, NOTHING_JUDGED, type Readings, turned } from "./core/conditions.ts";
import { silentForMs } from "./core/link-state.ts";
import type { EndedRun } from "./core/memory.ts";
import type { Told } from "./core/report.ts";
import { type BootRecord, bootSeen, isSafeMode, safeModeMessage, steadyAtMs } from "./core/safe-mode.ts";
import type { Engine } from "./engine/engine.ts";
import type { HostPaths } from "./engine/host-paths.ts";
import { labelKey } from "./engine/labels.ts";
import { commitIfPossible, type Ledger, type LedgerChange } from "./ledger/ledger.ts";
import type { Dial } from "./link/failure.ts";
import { createLink, type LeaseKeeper, type Link, type LinkParts, type LinkStatus } from "./link/link.ts";
import type { Ask } from "./prober/prober.ts";
import { createReconciler } from "./reconciler/loop.ts";
import type { Reconciler } from "./reconciler/reconciler.ts";
import type { ChangeTimes } from "./times/times.ts";
import type { Values } from "./values/values.ts";

/** What the node says of itself; slow figures on a slow timer. */
export interface FactsSource {
  /** null: not collected yet. */
  facts(): NodeFacts | null;
  figures(): NodeFigures | null;
  readings(): Readings | null;
  /** Calls `changed` when either has something new. */
  start(changed: () => void): void;
  stop(): void;
}

export interface AgentParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Its identity is set: the node has joined. */
  readonly ledger: Ledger;
  /** Why the ledger had to start empty, from opening it; null: it was read. */
  readonly ledgerLost: string | null;
  readonly engine: Engine;
  readonly ask: Ask;
  readonly dial: Dial;
  readonly facts: FactsSource;
  readonly leases: LeaseKeeper;
  /** Update windows and holds; without it windows stay closed and nothing is held. */
  readonly times?: ChangeTimes;
  /** Follows links of host paths before they are mounted; without it they are taken as they are written. */
  readonly hostPaths?: HostPaths;
  /** Secrets and configs; without it a workload that gets some waits. */
  readonly values?: Values;
  /** Whether an operator has ordered safe mode to end. An order is told once. */
  readonly safeModeOff: () => boolean;
  /** What the hub may look at over a second socket; see streams/. */
  readonly streams: LinkParts["streams"];
  /** New at each boot of the machine. */
  readonly bootId: string;
  /** New at each start of the agent. */
  readonly runId: string;
  readonly version: string;
  readonly config: { readonly metered: boolean };
}

export interface AgentStatus {
  readonly version: string;
  readonly node: string;
  readonly name: string;
  readonly installation: string;
  readonly hubUrl: string;
  readonly startedForMs: number;
  readonly bootId: string;
  readonly link: LinkStatus;
  /** How long ago the hub last answered, by this boot's clock; null: not in this boot. */
  readonly hubSilentForMs: number | null;
  /** Wall time of the last word from the hub, as this machine's clock had it. For showing. */
  readonly lastHubContactWallMs: number | null;
  readonly engine: { readonly reachable: boolean; readonly message: string };
  readonly ledger: {
    readonly position: Position | null;
    readonly hash: string | null;
    /** Events that the hub has not acknowledged. */
    readonly outbox: number;
    readonly lost: string | null;
  };
  readonly conditions: readonly Condition[];
  readonly workloads: readonly WorkloadStatus[];
  /** How the last runs of each ended, the newest first. */
  readonly ended: readonly { readonly id: WorkloadId; readonly runs: readonly EndedRun[] }[];
}

export interface Agent {
  /** Runs until `stop`; rejects only on a bug. Call once. */
  run(): Promise<void>;
  /** Containers run on. */
  stop(): Promise<void>;
  status(): AgentStatus;
}

export function createAgent(parts: AgentParts): Agent {
  return new WiredAgent(parts);
}

/** How often an order to end safe mode is looked for, while it lasts. */
const SAFE_MODE_LOOK_MS = 2_000;

const NOWHERE: Position = { epoch: 0, generation: 0 };

class WiredAgent implements Agent {
  readonly #parts: AgentParts;
  readonly #link: Link;
  readonly #reconciler: Reconciler;
  readonly #startedAtMs: Millis;
  #boots: BootRecord;
  #bootTimer: Timer | null = null;
  #judged: Judged = NOTHING_JUDGED;

  constructor(parts: AgentParts) {
    const { clock, random, log, ledger, engine, bootId } = parts;
    const { identity } = ledger.content();
    assert(identity !== null, "an agent is created for a node that has joined");
    this.#parts = parts;
    this.#startedAtMs = clock.monotonicMs();
    this.#boots = bootSeen(ledger.content().boots, bootId, this.#startedAtMs);
    this.#reconciler = createReconciler({
      ...{ clock, random, log, engine, ledger, bootId },
      ...{ ask: parts.ask, metered: parts.config.metered },
      labelKey: labelKey(identity),
      link: () => this.#link.state(),
      safeMode: () => isSafeMode(this.#boots),
      ledgerLost: parts.ledgerLost,
      ...(parts.times === undefined ? {} : { times: parts.times }),
      ...(parts.hostPaths === undefined ? {} : { hostPaths: parts.hostPaths }),
      ...(parts.values === undefined ? {} : { values: parts.values }),
    });
    this.#link = createLink({
      ...{ clock, random, log, ledger, identity, bootId },
      dial: parts.dial,
      runId: parts.runId,
      agentVersion: parts.version,
      metered: parts.config.metered,
      leases: parts.leases,
      streams: parts.streams,
      ...(parts.values === undefined ? {} : { values: parts.values }),
      told: () => this.#told(),
      wake: (reason) => this.#reconciler.wake(reason),
    });
    parts.values?.onNews(() => this.#reconciler.wake("a value"));
  }

  async run(): Promise<void> {
    const { facts, bootId, version } = this.#parts;
    this.#commit([
      ...(this.#parts.ledger.content().bootId === bootId ? [] : [{ kind: "boot", bootId } as const]),
      ...(this.#parts.ledger.content().boots === this.#boots ? [] : [{ kind: "boots", record: this.#boots } as const]),
      this.#event({ kind: "agent-started", version, bootId }),
      ...this.#safeMode().map((condition) => this.#conditionOn(condition)),
    ]);
    // An order that was left when there was nothing to end is for none that comes later.
    if (!isSafeMode(this.#boots)) this.#parts.safeModeOff();
    this.#watchBoot();
    this.#reconciler.onStatus(() => this.#link.reportSoon());
    this.#reconciler.onEvents(() => this.#link.sendEvents());
    facts.start(() => this.#onFacts());
    this.#link.start();
    await this.#reconciler.run();
  }

  async stop(): Promise<void> {
    this.#parts.facts.stop();
    this.#bootTimer?.cancel();
    this.#link.stop();
    await this.#reconciler.stop();
  }

  status(): AgentStatus {
    const { clock, ledger, ledgerLost, bootId, version } = this.#parts;
    const { identity, assignment, outbox, memory } = ledger.content();
    const now = clock.monotonicMs();
    const conditions = this.#conditions();
    const engineAway = conditions.find(({ kind }) => kind === "engine-unreachable");
    return {
      version,
      node: identity?.node ?? "",
      name: identity?.name ?? "",
      installation: identity?.installation ?? "",
      hubUrl: identity?.hubUrl ?? "",
      startedForMs: Math.round(now - this.#startedAtMs),
      bootId,
      link: this.#link.status(),
      hubSilentForMs: silentForMs(this.#link.state(), now),
      lastHubContactWallMs: this.#link.lastContactWallMs(),
      engine: { reachable: engineAway === undefined, message: engineAway?.message ?? "answers" },
      ledger: {
        position: assignment?.position ?? null,
        hash: assignment?.hash ?? null,
        outbox: outbox.length,
        lost: ledgerLost,
      },
      conditions,
      workloads: this.#reconciler.statuses(),
      ended: [...memory].flatMap(([id, { runs }]) => (runs.length === 0 ? [] : [{ id, runs }])),
    };
  }

  #told(): Told {
    const { facts } = this.#parts;
    return {
      observed: this.#reconciler.judged() ?? NOWHERE,
      workloads: this.#reconciler.statuses(),
      facts: facts.facts(),
      figures: facts.figures(),
      ports: this.#reconciler.ports(),
      conditions: this.#conditions(),
    };
  }

  #onFacts(): void {
    const { clock, facts, ledger } = this.#parts;
    const readings = facts.readings();
    if (readings !== null) {
      const workloads = ledger.content().assignment?.workloads ?? [];
      const limits = workloads.some(({ spec }) => spec.memoryBytes !== null);
      const before = this.#judged.conditions;
      this.#judged = judge(this.#judged, readings, limits, clock.monotonicMs());
      const { on, off } = turned(before, this.#judged.conditions);
      this.#say([...on.map((one) => this.#conditionOn(one)), ...off.map((one) => this.#conditionOff(one))]);
    }
    this.#link.reportSoon();
  }

  // ---- boots

  #safeMode(): readonly Condition[] {
    return isSafeMode(this.#boots) ? [{ kind: "safe-mode", message: safeModeMessage(this.#boots) }] : [];
  }

  /** Until this boot has lasted. */
  #watchBoot(): void {
    const { clock } = this.#parts;
    const atMs = steadyAtMs(this.#boots);
    if (atMs === null) return;
    const leftMs = Math.max(0, Math.ceil(atMs - clock.monotonicMs()));
    const waitMs = isSafeMode(this.#boots) ? Math.min(SAFE_MODE_LOOK_MS, leftMs) : leftMs;
    this.#bootTimer = clock.setTimer(waitMs, () => this.#lookAtBoot(atMs));
  }

  #lookAtBoot(atMs: Millis): void {
    const { clock, log, safeModeOff } = this.#parts;
    const safe = this.#safeMode();
    const ends = clock.monotonicMs() >= atMs || (safe.length > 0 && safeModeOff());
    if (!ends) return this.#watchBoot();
    this.#boots = { ...this.#boots, steady: true };
    this.#say([{ kind: "boots", record: this.#boots }, ...safe.map((condition) => this.#conditionOff(condition))]);
    if (safe.length === 0) return;
    log.info("safe mode has ended");
    this.#reconciler.wake("safe mode has ended");
    this.#link.reportSoon();
  }

  #conditionOn({ kind, message }: Condition): LedgerChange {
    return this.#event({ kind: "condition-on", condition: kind, message });
  }

  #conditionOff({ kind }: Condition): LedgerChange {
    return this.#event({ kind: "condition-off", condition: kind });
  }

  #say(changes: readonly LedgerChange[]): void {
    if (changes.length === 0) return;
    this.#commit(changes);
    this.#link.sendEvents();
  }

  /** One of each kind, in a fixed order: what the reconciler says stands before what the link says. */
  #conditions(): readonly Condition[] {
    const byKind = new Map<string, Condition>();
    const own = [...this.#judged.conditions, ...this.#safeMode()];
    for (const condition of [...own, ...this.#link.conditions(), ...this.#reconciler.conditions()]) {
      byKind.set(condition.kind, condition);
    }
    return [...byKind.values()].sort((a, b) => (a.kind < b.kind ? -1 : 1));
  }

  #event(event: Extract<LedgerChange, { kind: "event" }>["event"]): LedgerChange {
    const { clock } = this.#parts;
    return { kind: "event", atMs: clock.monotonicMs(), wallMs: clock.wallMs(), event };
  }

  #commit(changes: readonly LedgerChange[]): void {
    commitIfPossible(this.#parts.ledger, this.#parts.log, changes);
  }
}
