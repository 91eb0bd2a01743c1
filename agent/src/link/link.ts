// The link: always dials out, and when that fails, says why and tries again with full jitter. It knows nothing of containers: hub gone,
// hub wrong or hub refusing changes nothing on this node. It never exits the process because the hub is away.
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { NodeEvent } from "@skerry/shared/model/event.ts";
import type { Condition } from "@skerry/shared/model/node.ts";
import type { Connection } from "@skerry/shared/protocol/connection.ts";
import { RECONNECT_CAP_METERED_MS, RECONNECT_CAP_MS } from "@skerry/shared/protocol/version.ts";
import { type BackoffShape, fullJitterMs } from "@skerry/shared/runtime/backoff.ts";
import type { Clock, Millis, Timer, WallMillis } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import {
  beatAcked,
  beatSent,
  initialLinkState,
  type LinkState,
  linkConnected,
  linkDisconnected,
  type SavedLease,
  savedLease,
} from "../core/link-state.ts";
import type { Told } from "../core/report.ts";
import { commitIfPossible, type Identity, type Ledger, type LedgerChange } from "../ledger/ledger.ts";
import { type Dial, DialError, isLasting, type LinkFailure } from "./failure.ts";
import { Session, type SessionParts } from "./session.ts";

const RECONNECT_BASE_MS = 1_000;
/** A connection that stood for so long was a good one: the next failure starts from the beginning. */
const GOOD_CONNECTION_MS = 60_000;
/** The hub's restart takes a second or two: a shorter loss is no event, and a flapping link does not fill the outbox. */
const LOSS_SETTLE_MS = 5_000;

/** Where a lease is kept so that a restart of the agent does not lose it and a reboot does. Losing it is safe: fenced copies stop. */
export interface LeaseKeeper {
  load(): SavedLease | null;
  save(lease: SavedLease): void;
}

export interface LinkParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly dial: Dial;
  readonly ledger: Ledger;
  readonly identity: Identity;
  readonly bootId: string;
  readonly runId: string;
  readonly agentVersion: string;
  readonly metered: boolean;
  readonly leases: LeaseKeeper;
  /** The hub's wish for a stream socket goes here, and its end: what was opened by it ends with the connection. */
  readonly streams: { open(ticket: string): void; closeAll(): void };
  /** Secrets and configs; without it none is asked for. */
  readonly values?: SessionParts["values"];
  readonly told: () => Told;
  /** Something changed that the reconciler should look at: an assignment, a lease that came back. */
  readonly wake: (reason: string) => void;
}

/** One phase at a time, for `agent status`. */
export type LinkStatus =
  | { readonly kind: "stopped" }
  | { readonly kind: "connecting"; readonly attempt: number; readonly lastFailure: LinkFailure | null }
  | { readonly kind: "connected"; readonly forMs: number; readonly heartbeatMs: number; readonly hubVersion: string }
  | {
      readonly kind: "waiting";
      readonly failure: LinkFailure;
      readonly attempt: number;
      readonly nextTryInMs: number;
    };

export interface Link {
  start(): void;
  stop(): void;
  state(): LinkState;
  status(): LinkStatus;
  /** Wall time of the last word from the hub, of this run or of an earlier one. For showing. */
  lastContactWallMs(): WallMillis | null;
  conditions(): readonly Condition[];
  /** Something that reports tell may have changed. */
  reportSoon(): void;
  sendEvents(): void;
}

type Phase =
  | { readonly kind: "stopped" }
  | { readonly kind: "dialing" }
  | { readonly kind: "greeting"; readonly session: Session }
  | { readonly kind: "open"; readonly session: Session; readonly sinceMs: Millis; readonly hubVersion: string }
  | { readonly kind: "waiting"; readonly failure: LinkFailure; readonly tryAtMs: Millis; readonly timer: Timer };

export function createLink(parts: LinkParts): Link {
  return new ReconnectingLink(parts);
}

class ReconnectingLink implements Link {
  readonly #parts: LinkParts;
  readonly #shape: BackoffShape;
  #phase: Phase = { kind: "stopped" };
  #state: LinkState;
  #attempt = 0;
  #lastFailure: LinkFailure | null = null;
  #heartbeatMs = 0;
  #contactWallMs: WallMillis | null;
  #sessionConditions: readonly Condition[] = [];
  /** Since when the hub has been away, and whether an event told of it. null: it is there, or was not yet reached. */
  #loss: { readonly sinceMs: Millis; readonly timer: Timer; told: boolean } | null = null;

  constructor(parts: LinkParts) {
    this.#parts = parts;
    const capMs = parts.metered ? RECONNECT_CAP_METERED_MS : RECONNECT_CAP_MS;
    this.#shape = { baseMs: RECONNECT_BASE_MS, capMs };
    this.#contactWallMs = parts.ledger.content().lastHubContactWallMs;
    this.#state = initialLinkState(parts.bootId, parts.leases.load(), parts.clock.monotonicMs());
  }

  start(): void {
    if (this.#phase.kind === "stopped") this.#dial();
  }

  stop(): void {
    const phase = this.#phase;
    this.#phase = { kind: "stopped" };
    this.#loss?.timer.cancel();
    this.#loss = null;
    if (phase.kind === "waiting") phase.timer.cancel();
    if (phase.kind !== "greeting" && phase.kind !== "open") return;
    this.#keepContact();
    this.#parts.streams.closeAll();
    phase.session.close("the agent was stopped");
  }

  state(): LinkState {
    return this.#state;
  }

  status(): LinkStatus {
    const now = this.#parts.clock.monotonicMs();
    const phase = this.#phase;
    switch (phase.kind) {
      case "stopped":
        return { kind: "stopped" };
      case "dialing":
      case "greeting":
        return { kind: "connecting", attempt: this.#attempt, lastFailure: this.#lastFailure };
      case "open":
        return {
          kind: "connected",
          forMs: Math.round(now - phase.sinceMs),
          heartbeatMs: this.#heartbeatMs,
          hubVersion: phase.hubVersion,
        };
      case "waiting": {
        const nextTryInMs = Math.max(0, Math.round(phase.tryAtMs - now));
        return { kind: "waiting", failure: phase.failure, attempt: this.#attempt, nextTryInMs };
      }
    }
  }

  lastContactWallMs(): WallMillis | null {
    return this.#contactWallMs;
  }

  conditions(): readonly Condition[] {
    const own: Condition[] = [];
    const failure = this.#phase.kind === "open" ? null : this.#lastFailure;
    if (failure?.kind === "wrong-installation") own.push({ kind: "wrong-installation", message: failure.message });
    if (failure?.kind === "revoked") own.push({ kind: "key-revoked", message: failure.message });
    if (failure?.kind === "frozen" || failure?.kind === "superseded")
      own.push({ kind: "clone-detected", message: failure.message });
    const oldest = this.#parts.ledger.content().outbox[0]?.event;
    if (oldest?.kind === "gap") {
      own.push({ kind: "outbox-gap", message: `${oldest.lost} events were lost because the outbox was full` });
    }
    return [...own, ...this.#sessionConditions];
  }

  reportSoon(): void {
    if (this.#phase.kind === "open") this.#phase.session.reportSoon();
  }

  sendEvents(): void {
    if (this.#phase.kind === "open") this.#phase.session.sendEvents();
  }

  #dial(): void {
    this.#phase = { kind: "dialing" };
    this.#attempt += 1;
    this.#parts.dial(this.#parts.ledger.content().identity ?? this.#parts.identity).then(
      (connection) => this.#onConnection(connection),
      (error: unknown) => {
        if (!(error instanceof DialError)) throw error;
        if (this.#phase.kind === "dialing") this.#failed(error.failure, null);
      },
    );
  }

  #onConnection(connection: Connection): void {
    if (this.#phase.kind !== "dialing") {
      // Stopped in the meantime. A connection must be listened to before it may be closed.
      connection.listen({ onFrame: () => undefined, onClose: () => undefined });
      connection.close(1000, "the agent was stopped");
      return;
    }
    const { clock, random, log, ledger, identity, bootId, runId, agentVersion, metered, told, values } = this.#parts;
    const session: Session = new Session({
      ...{ clock, random, log, connection, ledger, identity, bootId, runId, agentVersion, metered, told, values },
      handlers: {
        onWelcome: ({ heartbeatMs, hubVersion }) => this.#onWelcome(session, heartbeatMs, hubVersion),
        onBeatSent: (n) => {
          this.#state = beatSent(this.#state, n, clock.monotonicMs());
        },
        onBeatAcked: (n) => this.#onBeatAcked(n),
        onAccepted: (assignment) => this.#onAccepted(assignment),
        onConditions: (conditions) => {
          this.#sessionConditions = conditions;
        },
        onOpenStream: (ticket) => this.#parts.streams.open(ticket),
        onEnd: (failure, withinMs) => this.#onEnd(session, failure, withinMs),
      },
    });
    this.#phase = { kind: "greeting", session };
    session.start();
  }

  #onWelcome(session: Session, heartbeatMs: number, hubVersion: string): void {
    const { clock, log } = this.#parts;
    const now = clock.monotonicMs();
    this.#phase = { kind: "open", session, sinceMs: now, hubVersion };
    this.#heartbeatMs = heartbeatMs;
    this.#contactWallMs = clock.wallMs();
    this.#state = linkConnected(this.#state, now);
    const loss = this.#loss;
    this.#loss = null;
    loss?.timer.cancel();
    log.info("connected to the hub", { hub: this.#parts.identity.hubUrl, heartbeatMs, hubVersion });
    if (loss?.told) this.#note({ kind: "link-back", downMs: Math.round(now - loss.sinceMs) });
  }

  #onBeatAcked(n: number): void {
    const { bootId, clock, leases, ledger, wake } = this.#parts;
    const before = this.#state;
    this.#state = beatAcked(before, n);
    this.#contactWallMs = clock.wallMs();
    if (this.#state.leaseFromMs === before.leaseFromMs) return;
    const fenced = ledger.content().assignment?.workloads.some(({ disconnect }) => disconnect.policy === "fence");
    const lease = savedLease(this.#state, bootId);
    // Where nothing is fenced nobody reads it, and nothing is written.
    if (fenced === true && lease !== null) leases.save(lease);
    // The first answer of a connection may bring back a lease that had ended.
    if (n === 1) wake("lease");
  }

  #onAccepted(assignment: Assignment): void {
    const { position } = assignment;
    this.#parts.log.info("assignment accepted", {
      epoch: position.epoch,
      generation: position.generation,
      workloads: assignment.workloads.length,
    });
    this.#parts.wake("assignment");
  }

  #onEnd(session: Session, failure: LinkFailure, withinMs: number | null): void {
    const phase = this.#phase;
    if ((phase.kind !== "greeting" && phase.kind !== "open") || phase.session !== session) return;
    const now = this.#parts.clock.monotonicMs();
    this.#parts.streams.closeAll();
    if (phase.kind === "open") {
      if (now - phase.sinceMs >= GOOD_CONNECTION_MS) this.#attempt = 0;
      this.#state = linkDisconnected(this.#state, now);
      this.#lost(failure, now);
    }
    this.#sessionConditions = this.#sessionConditions.filter(({ kind }) => kind !== "disk-full");
    this.#failed(failure, withinMs);
  }

  #failed(failure: LinkFailure, withinMs: number | null): void {
    const { clock, random, log } = this.#parts;
    const repeated = this.#lastFailure?.message === failure.message;
    this.#lastFailure = failure;
    const delayMs = withinMs === null ? this.#delayMs(failure) : Math.floor(random.next() * withinMs);
    const timer = clock.setTimer(delayMs, () => this.#dial());
    this.#phase = { kind: "waiting", failure, tryAtMs: clock.monotonicMs() + delayMs, timer };
    // Months offline are many tries: the same sentence is said once.
    log[repeated ? "debug" : "warn"]("no link to the hub", { reason: failure.message, nextTryInMs: delayMs });
  }

  #delayMs(failure: LinkFailure): number {
    const chance = this.#parts.random.next();
    if (!isLasting(failure)) return fullJitterMs(this.#shape, Math.max(1, this.#attempt), chance);
    return Math.floor(this.#shape.capMs * (0.5 + chance / 2));
  }

  #lost(failure: LinkFailure, now: Millis): void {
    this.#keepContact();
    if (this.#loss !== null) return;
    const timer = this.#parts.clock.setTimer(LOSS_SETTLE_MS, () => {
      if (this.#loss === null) return;
      this.#loss.told = true;
      this.#note({ kind: "link-lost", reason: failure.message });
    });
    this.#loss = { sinceMs: now, timer, told: false };
  }

  /** For `agent status` after a restart; written when a connection ends, never at rest. */
  #keepContact(): void {
    if (this.#contactWallMs !== null) this.#commit([{ kind: "hub-contact", wallMs: this.#contactWallMs }]);
  }

  #note(event: NodeEvent): void {
    const { clock } = this.#parts;
    this.#commit([{ kind: "event", atMs: clock.monotonicMs(), wallMs: clock.wallMs(), event }]);
    this.sendEvents();
  }

  #commit(changes: readonly LedgerChange[]): void {
    commitIfPossible(this.#parts.ledger, this.#parts.log, changes);
  }
}
