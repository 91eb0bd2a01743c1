// The only writer of the hub: input → pure handler → one durable commit → World → answer, watchers, nodes; then the same for what `decide` adds.
// Nothing is acknowledged, sent or shown before it is durable. It must never await, queue without a bound, or write to the World elsewhere.
import type { AppName, NodeId, PublicKey, Revision } from "@skerry/shared/model/ids.ts";
import type { Report } from "@skerry/shared/model/report.ts";
import type { Hello } from "@skerry/shared/protocol/to-hub.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { Clock, Millis, Timer } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";
import { audited } from "./audit.ts";
import { advanceSeq, applyChange, copyWorld, worldFrom } from "./core/apply-change.ts";
import type { Change, DurableChange, HubEvent, VolatileChange } from "./core/change.ts";
import type { Command, CommandContext, CommandOutcome, CommandRefusal } from "./core/command.ts";
import { decide, type Settings } from "./core/decide.ts";
import { type DrainEnds, drainEnds, nextDrainEndMs, overdueDrains } from "./core/drain.ts";
import { handle } from "./core/handle.ts";
import { keysTaken, namedBy, PRESENT_KEY, type ShownKey } from "./core/key-roll.ts";
import { frozen, MARK_BYTES } from "./core/lineage.ts";
import { isAboutPeople } from "./core/people-command.ts";
import { disconnected, greeted, received } from "./core/received.ts";
import { undoTarget } from "./core/rollout/undo.ts";
import { isAboutUsers } from "./core/user-command.ts";
import { needsValues } from "./core/value-command.ts";
import type { AppRevision, World } from "./core/world.ts";
import type { Frame, HashMatches, Hub, InputResult, Listener, StorageState } from "./link/hub.ts";
import type { AuditRecord } from "./store/audit-chain.ts";
import { type Commit, type Store, StoreError } from "./store/store.ts";

/** Inputs of one commit: a bound on how long the event loop stands still for one transaction (about 50 ms on a small disk). */
export const MAX_INPUTS_PER_COMMIT = 500;
/** Inputs waiting for a commit, over all nodes: at most so many frames are held in memory. Past it a connection is given up. */
export const MAX_WAITING_INPUTS = 20_000;
/** Inputs waiting from one node: it sends the next events only after the acknowledgement, so more means a node that does not behave. */
export const MAX_WAITING_PER_NODE = 64;
/** After the disk was full: how soon to see whether there is room again. */
export const STORAGE_RETRY_MS = 5_000;
/** What nodes were seen to run is written behind: a minute of it may be missing after a power cut, and the nodes say it again. */
export const SAVE_OBSERVED_MS = 60_000;
/** Nodes written behind in one turn of the event loop: about 10 ms, so that a thousand of them do not hold up a beat … */
const SAVED_PER_TURN = 10;
/** … with a pause between turns. */
const SAVE_PAUSE_MS = 20;

export interface ControlLoopOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: Store;
  readonly settings: Settings;
}

/** What the caller knows about a command; the loop looks up the rest. */
export interface SubmitContext {
  readonly actor: string;
  /** create-token, create-api-token: a fresh id and the hash of its fresh secret; the caller keeps the secret. */
  readonly freshToken: CommandContext["freshToken"];
  /** For the audit log: there is no change by anybody without an entry of it. */
  readonly origin: Origin;
  /** Stored in the transaction of the change. `answer` must hold no secret. */
  readonly idempotency: {
    readonly key: string;
    readonly requestHash: string;
    readonly answer: (outcome: CommandOutcome) => { readonly status: number; readonly body: string };
  } | null;
}

/** Where a change came from, beside who made it: credential, address, program, and the route's name. */
export type Origin = Pick<AuditRecord, "credential" | "address" | "agent" | "what">;

export type SubmitRefusal =
  | { readonly kind: "refused"; readonly refusal: CommandRefusal }
  /** 507: nothing was changed; works again when there is room. */
  | { readonly kind: "storage-full" }
  /** 503: the store failed; only a restart helps. */
  | { readonly kind: "read-only" }
  /** The idempotency key was used before: answer with what is stored. */
  | { readonly kind: "duplicate" }
  | { readonly kind: "stopping" };

export interface Submitted {
  readonly outcome: CommandOutcome;
  /** The World's seq after the change and what was decided from it. */
  readonly seq: number;
  /** false: all was so already. */
  readonly isChange: boolean;
}

/** What a command would bring about: the Worlds before and after, and all changes in order. */
export interface Preview {
  readonly outcome: CommandOutcome;
  readonly after: World;
  readonly changes: readonly Change[];
}

export interface ControlLoop extends Hub {
  submit(command: Command, context: SubmitContext): Result<Submitted, SubmitRefusal>;
  preview(command: Command, context: Pick<SubmitContext, "actor" | "freshToken">): Result<Preview, CommandRefusal>;
  /** An entry of the audit log for what is no command, or did not happen. false: it cannot be stored now. */
  audit(record: AuditRecord): boolean;
  storage(): StorageState;
  /** Inputs waiting for a commit: for metrics. */
  waiting(): number;
  start(): void;
  /** Commits what waits, saves what was observed, and takes nothing more. Does not close the store. */
  stop(): void;
}

type Input =
  | {
      readonly kind: "hello";
      readonly node: NodeId;
      readonly hello: Hello;
      readonly key: PublicKey;
      readonly hashMatches: HashMatches;
      readonly done: (result: InputResult) => void;
    }
  | {
      readonly kind: "frame";
      readonly node: NodeId;
      readonly frame: Frame;
      readonly done: (result: InputResult) => void;
    };

export function createControlLoop(options: ControlLoopOptions): ControlLoop {
  return new Loop(options);
}

class Loop implements ControlLoop {
  readonly world: World;
  readonly #options: ControlLoopOptions;
  readonly #listeners = new Set<Listener>();
  readonly #storageListeners = new Set<(state: StorageState) => void>();
  readonly #observed = new Set<NodeId>();
  /** Inputs that need a commit, in order of arrival. */
  #waiting: Input[] = [];
  readonly #waitingPerNode = new Map<NodeId, number>();
  #storage: StorageState = { kind: "ok" };
  #phase: "new" | "running" | "stopped" = "new";
  #turn: Timer | null = null;
  #drainEnds: DrainEnds = new Map();
  #wake: { readonly timer: Timer; readonly atMs: Millis } | null = null;
  #retry: Timer | null = null;
  #saving: Timer | null = null;

  constructor(options: ControlLoopOptions) {
    this.#options = options;
    this.world = worldFrom(options.store.load(), options.clock.monotonicMs());
  }

  start(): void {
    assert(this.#phase === "new", "control loop started twice");
    this.#phase = "running";
    this.#decide();
    this.#saving = this.#options.clock.setTimer(SAVE_OBSERVED_MS, () => this.#saveObserved(SAVED_PER_TURN));
  }

  stop(): void {
    if (this.#phase === "stopped") return;
    while (this.#waiting.length > 0 && this.#storage.kind === "ok") this.#commitWaiting();
    this.#phase = "stopped";
    for (const timer of [this.#turn, this.#wake?.timer, this.#retry, this.#saving]) timer?.cancel();
    for (const input of this.#takeWaiting()) input.done({ kind: "lost" });
    this.#saveObserved(Number.POSITIVE_INFINITY);
  }

  submit(command: Command, context: SubmitContext): Result<Submitted, SubmitRefusal> {
    if (this.#phase !== "running") return err({ kind: "stopping" });
    if (this.#storage.kind === "broken") return err({ kind: "read-only" });
    const commandContext = this.#commandContext(command, context);
    const handled = handle(this.world, command, commandContext);
    if (!handled.ok) return err({ kind: "refused", refusal: handled.error });
    const { changes, outcome } = handled.value;
    const { actor, origin, idempotency } = context;
    // What was so already is no change, and may be asked for without end: a node joins again, and again.
    const audit: AuditRecord | null =
      changes.length === 0
        ? null
        : {
            ...{ actor, ...origin, outcome: "done", code: null, count: 1 },
            ...audited(this.world, command, changes, commandContext),
          };
    const answer =
      idempotency === null
        ? null
        : { key: idempotency.key, requestHash: idempotency.requestHash, ...idempotency.answer(outcome) };
    const failed = this.#commit(changes, actor, answer, audit);
    if (failed !== null) return err(submitRefusal(failed));
    this.#decide();
    return ok({ outcome, seq: this.world.seq, isChange: changes.length > 0 });
  }

  preview(command: Command, context: Pick<SubmitContext, "actor" | "freshToken">): Result<Preview, CommandRefusal> {
    const after = copyWorld(this.world);
    const handled = handle(after, command, this.#commandContext(command, context));
    if (!handled.ok) return handled;
    const { changes, outcome } = handled.value;
    for (const change of changes) applyChange(after, change);
    const decided = decide(
      after,
      this.#options.clock.monotonicMs(),
      this.#options.settings,
      undefined,
      this.#options.clock.wallMs(),
    );
    for (const change of decided) applyChange(after, change);
    return ok({ outcome, after, changes: [...changes, ...decided] });
  }

  audit(record: AuditRecord): boolean {
    if (this.#phase !== "running" || this.#storage.kind !== "ok") return false;
    try {
      this.#options.store.appendAudit(record, this.#options.clock.wallMs());
    } catch (error) {
      this.#storeFailed(error);
      return false;
    }
    return true;
  }

  greet(hello: Hello, key: PublicKey, hashMatches: HashMatches, done: (result: InputResult) => void): void {
    this.#take({ kind: "hello", node: hello.node, hello, key, hashMatches, done });
  }

  receive(node: NodeId, frame: Frame, done: (result: InputResult) => void): void {
    this.#take({ kind: "frame", node, frame, done });
  }

  disconnected(node: NodeId): void {
    if (this.#phase !== "running") return;
    this.#commit(disconnected(this.world, node), "hub", null);
    this.#turnSoon();
  }

  note(event: HubEvent): void {
    if (this.#phase !== "running" || this.#storage.kind !== "ok") return;
    this.#commit([{ kind: "hub-event", event }], "hub", null);
  }

  freeze(node: NodeId): void {
    if (this.#phase !== "running" || this.#storage.kind !== "ok") return;
    this.#commit(frozen(this.world, node), "hub", null);
    this.#turnSoon();
  }

  onCommitted(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onStorage(listener: (state: StorageState) => void): () => void {
    this.#storageListeners.add(listener);
    return () => this.#storageListeners.delete(listener);
  }

  storage(): StorageState {
    return this.#storage;
  }

  waiting(): number {
    return this.#waiting.length;
  }

  #commandContext(command: Command, context: Pick<SubmitContext, "actor" | "freshToken">): CommandContext {
    const { store, clock, random } = this.#options;
    const revised = revisedApp(command);
    const tokenId =
      command.kind === "join-node" ? command.tokenId : command.kind === "remove-token" ? command.id : null;
    return {
      actor: context.actor,
      wallMs: clock.wallMs(),
      lastRevision: revised === null ? 0 : store.lastRevision(revised),
      token: tokenId === null ? null : (store.tokens().find(({ id }) => id === tokenId) ?? null),
      revoked: command.kind === "join-node" ? store.revokedKey(command.publicKey) : null,
      nodeKey: command.kind === "revoke-node" ? store.publicKey(command.node) : null,
      keyHolder:
        command.kind === "join-node"
          ? (store.keyHolder(command.publicKey) ?? namedBy(this.world, command.publicKey))
          : null,
      // `n` and 16 hex digits are a node id by its schema.
      freshNodeId: command.kind === "join-node" ? (`n${random.hex(8)}` as NodeId) : null,
      freshToken: context.freshToken,
      undoTo: command.kind === "undo-rollout" ? this.#undoTo(command.app, command.to) : null,
      people: this.#people(command),
      values: needsValues(command) ? store.values() : null,
    };
  }

  #people(command: Command): CommandContext["people"] {
    const { store } = this.#options;
    const isAboutUser = isAboutUsers(command);
    if (!isAboutUser && !isAboutPeople(command)) return null;
    // A login must not read all users.
    const user = isAboutUser && command.kind !== "add-user" ? store.user(command.user) : null;
    return {
      tokens: isAboutUser ? [] : store.apiTokens(),
      roles: store.roles(),
      users: user === null ? store.users() : [user],
      sessions: isAboutUser ? store.sessionsOf(command.user) : [],
    };
  }

  #undoTo(name: AppName, asked: Revision | null): AppRevision | null {
    const app = this.world.apps.get(name);
    if (app === undefined) return null;
    const { store } = this.#options;
    return undoTarget(app, asked, {
      revisions: () => store.revisions(name).map(({ revision }) => revision),
      rollouts: (most) => store.rollouts(name, most),
      spec: (revision) => store.revision(name, revision)?.spec ?? null,
    });
  }

  /** Volatile news is applied at once; what must be durable waits for the next commit, together with what other nodes say meanwhile. */
  #take(input: Input): void {
    if (this.#phase !== "running") {
      input.done({ kind: "lost" });
      return;
    }
    const waiting = this.#waitingPerNode.get(input.node) ?? 0;
    if (waiting === 0 && input.kind === "frame") {
      const changes = this.#handled(input);
      if (!changes.ok) {
        input.done({ kind: "invalid", message: changes.error });
        return;
      }
      if (changes.value.every(isVolatile)) {
        this.#apply(changes.value);
        this.#turnSoon();
        input.done({ kind: "done" });
        return;
      }
    }
    if (waiting >= MAX_WAITING_PER_NODE || this.#waiting.length >= MAX_WAITING_INPUTS) {
      input.done({ kind: "overloaded" });
      return;
    }
    this.#waiting.push(input);
    this.#waitingPerNode.set(input.node, waiting + 1);
    this.#turnSoon();
  }

  #handled(input: Input): Result<readonly Change[], string> {
    const { clock, random } = this.#options;
    const now = clock.monotonicMs();
    if (input.kind === "frame") {
      const { node, frame } = input;
      const problem = frame.type === "next-key" ? this.#nextKeyProblem(frame.publicKey) : null;
      return problem === null ? received(this.world, node, frame, now) : err(problem);
    }
    const { hello, key, hashMatches } = input;
    const shown = this.#shownKey(hello.node, key);
    if (!shown.ok) return shown;
    return greeted(this.world, hello, hashMatches(this.world), now, random.hex(MARK_BYTES), shown.value);
  }

  /** Looked at anew: since its hello was checked the node's keys may have moved on. */
  #shownKey(node: NodeId, key: PublicKey): Result<ShownKey, string> {
    const { store, clock } = this.#options;
    const former = store.publicKey(node);
    if (former === null || former === key) return ok(PRESENT_KEY);
    if (keysTaken(this.world.nodes.get(node), null).includes(key) && store.keyHolder(key) === null)
      return ok({ kind: "next", former, wallMs: clock.wallMs() });
    return err("this key is the node's no more");
  }

  /** A key has one node, and one that was given up is no key again. */
  #nextKeyProblem(key: PublicKey): string | null {
    const { store } = this.#options;
    const isHad = store.keyHolder(key) !== null || store.revokedKey(key) !== null;
    return isHad ? "it named a key that a node has or had" : null;
  }

  #turnSoon(): void {
    if (this.#turn !== null || this.#phase !== "running") return;
    this.#turn = this.#options.clock.setTimer(0, () => {
      this.#turn = null;
      this.#commitWaiting();
      this.#decide();
      if (this.#waiting.length > 0) this.#turnSoon();
    });
  }

  /**
   * One commit for one input of each node that has one: inputs of different nodes never write the same entity, so each may be handled on
   * the World as it is. Later inputs of the same node wait for the next commit.
   */
  #commitWaiting(): void {
    const batch: Input[] = [];
    const rest: Input[] = [];
    const nodes = new Set<NodeId>();
    for (const input of this.#waiting) {
      if (batch.length >= MAX_INPUTS_PER_COMMIT || nodes.has(input.node)) rest.push(input);
      else batch.push(input);
      nodes.add(input.node);
    }
    this.#waiting = rest;
    if (batch.length === 0) return;
    for (const { node } of batch) this.#forget(node);
    const changes: Change[] = [];
    const finished: (() => void)[] = [];
    const taken: Input[] = [];
    for (const input of batch) {
      const handled = this.#handled(input);
      if (handled.ok) {
        changes.push(...handled.value);
        taken.push(input);
      } else finished.push(() => input.done({ kind: "invalid", message: handled.error }));
    }
    const failed = this.#commit(changes, "nodes", null);
    // What was heard was heard, also when it cannot be stored: no node is called silent because the hub's disk is full.
    if (failed !== null) this.#apply(changes.filter(({ kind }) => HEARD.has(kind)));
    for (const finish of finished) finish();
    for (const input of taken) input.done({ kind: failed === null ? "done" : "lost" });
  }

  #forget(node: NodeId): void {
    const left = (this.#waitingPerNode.get(node) ?? 0) - 1;
    if (left > 0) this.#waitingPerNode.set(node, left);
    else this.#waitingPerNode.delete(node);
  }

  #takeWaiting(): readonly Input[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingPerNode.clear();
    return waiting;
  }

  /** While the disk is full nothing is decided, for it could not be stored: see `#tryAgain`. */
  #decide(): void {
    if (this.#phase !== "running" || this.#storage.kind !== "ok") return;
    this.#decideNow();
  }

  #decideNow(): StoreError | null {
    const notStored = this.#endDrains();
    if (notStored !== null) return notStored;
    const failed = this.#commit(this.#decided(this.#options.clock.monotonicMs()), "hub", null);
    this.#wakeWhenDue();
    return failed;
  }

  #endDrains(): StoreError | null {
    const { clock } = this.#options;
    const [wallMs, now] = [clock.wallMs(), clock.monotonicMs()];
    this.#drainEnds = drainEnds(this.world, this.#drainEnds, wallMs, now);
    const overdue = overdueDrains(this.world, this.#drainEnds, wallMs, now);
    const failed = overdue.length === 0 ? null : this.#commit(overdue, "hub", null);
    if (failed === null) this.#drainEnds = drainEnds(this.world, this.#drainEnds, wallMs, now);
    return failed;
  }

  #decided(now: Millis): readonly Change[] {
    try {
      return decide(this.world, now, this.#options.settings, undefined, this.#options.clock.wallMs());
    } catch (error) {
      throw this.#crash(error);
    }
  }

  /** Leases, fences and brakes come due by time alone. */
  #wakeWhenDue(): void {
    const atMs = this.#dueMs();
    if (atMs === (this.#wake?.atMs ?? null)) return;
    this.#wake?.timer.cancel();
    this.#wake = atMs === null ? null : { atMs, timer: this.#wakeAt(atMs) };
  }

  /** What the World waits for, and the next drain's deadline. */
  #dueMs(): Millis | null {
    const endMs = nextDrainEndMs(this.#drainEnds);
    return endMs === null ? this.world.dueMs : Math.min(this.world.dueMs ?? Number.POSITIVE_INFINITY, endMs);
  }

  #wakeAt(atMs: Millis): Timer {
    const { clock } = this.#options;
    // A timer may fire a little early; at least 1 ms keeps that from becoming a loop.
    return clock.setTimer(Math.max(1, atMs - clock.monotonicMs()), () => {
      this.#wake = null;
      this.#decide();
    });
  }

  /** One transaction, then the World, then whoever listens. null: done; else nothing of it happened. */
  #commit(
    changes: readonly Change[],
    actor: string,
    idempotency: Commit["idempotency"],
    audit: Commit["audit"] = null,
  ): StoreError | null {
    const durable = changes.filter(isDurable);
    if (durable.length > 0 || idempotency !== null || audit !== null) {
      try {
        const seq = this.#options.store.commit({
          changes: durable,
          wallMs: this.#options.clock.wallMs(),
          actor,
          idempotency,
          audit,
        });
        advanceSeq(this.world, seq);
      } catch (error) {
        return this.#storeFailed(error);
      }
      this.#setStorage({ kind: "ok" });
    }
    this.#apply(changes);
    return null;
  }

  #apply(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    try {
      for (const change of changes) applyChange(this.world, change);
    } catch (error) {
      throw this.#crash(error);
    }
    for (const change of changes)
      if (change.kind === "observed" && tellsWorkloads(change.report)) this.#observed.add(change.node);
    for (const listener of this.#listeners) listener(changes);
  }

  #storeFailed(error: unknown): StoreError {
    if (!(error instanceof StoreError)) throw this.#crash(error);
    if (error.kind === "duplicate") return error;
    if (error.kind === "broken") this.#setStorage({ kind: "broken", message: error.message });
    else if (this.#storage.kind !== "full")
      this.#setStorage({ kind: "full", sinceMs: this.#options.clock.monotonicMs() });
    if (error.kind === "full") this.#retryLater();
    return error;
  }

  /** A bug must end the process, also when it came up in a request whose framework would have caught it. */
  #crash(error: unknown): unknown {
    this.#phase = "stopped";
    this.#options.clock.setTimer(0, () => {
      throw error;
    });
    return error;
  }

  #setStorage(state: StorageState): void {
    if (this.#storage.kind === state.kind) return;
    this.#storage = state;
    const { log } = this.#options;
    if (state.kind === "ok") log.info("the hub's storage works again");
    if (state.kind === "full")
      log.error("the disk that holds the hub's database is full: changes are refused until there is room");
    if (state.kind === "broken")
      log.error("the hub's storage failed: read-only until restarted", { reason: state.message });
    for (const listener of this.#storageListeners) listener(state);
  }

  #retryLater(): void {
    if (this.#retry !== null || this.#phase !== "running") return;
    this.#retry = this.#options.clock.setTimer(STORAGE_RETRY_MS, () => {
      this.#retry = null;
      if (this.#storage.kind === "full") this.#tryAgain();
      else this.#decide();
    });
  }

  #tryAgain(): void {
    try {
      // A write of its own: there may be nothing else to store, and being full must end when there is room.
      this.#options.store.setSetting("storage-tried", String(this.#options.clock.wallMs()));
    } catch (error) {
      this.#storeFailed(error);
      return;
    }
    // What was to be decided may need more room than the small write did.
    if (this.#decideNow() === null) this.#setStorage({ kind: "ok" });
  }

  /** Written behind in turns. A full disk costs nothing here: it is tried again with the next change. */
  #saveObserved(most: number): void {
    const running = this.#phase === "running";
    const turn = [...this.#observed].slice(0, most);
    for (const node of turn) {
      if (this.#storage.kind !== "ok") break;
      this.#observed.delete(node);
      const seen = [...(this.world.observations.get(node)?.workloads.values() ?? [])].map(({ status }) => status);
      try {
        this.#options.store.saveObserved(node, seen);
      } catch (error) {
        this.#observed.add(node);
        this.#storeFailed(error);
      }
    }
    if (!running) return;
    const again = this.#observed.size > 0 && this.#storage.kind === "ok" ? SAVE_PAUSE_MS : SAVE_OBSERVED_MS;
    this.#saving = this.#options.clock.setTimer(again, () => this.#saveObserved(SAVED_PER_TURN));
  }
}

/** Figures alone are not written behind: they change all the time and say nothing after a restart. */
const tellsWorkloads = ({ whole, workloads, gone }: Report): boolean =>
  whole || workloads.length > 0 || gone.length > 0;

/** The app that a command makes a new revision of; null: none. */
function revisedApp(command: Command): AppName | null {
  if (command.kind === "apply-app") return command.spec.name;
  return command.kind === "scale" || command.kind === "undo-rollout" ? command.app : null;
}

function submitRefusal(error: StoreError): SubmitRefusal {
  switch (error.kind) {
    case "full":
      return { kind: "storage-full" };
    case "broken":
      return { kind: "read-only" };
    case "duplicate":
      return { kind: "duplicate" };
  }
}

/** What follows from a word alone, whatever becomes of its content. */
const HEARD: ReadonlySet<Change["kind"]> = new Set<VolatileChange["kind"]>([
  "heard",
  "observed",
  "reachability-set",
  "word-set",
]);

const VOLATILE: Readonly<Record<VolatileChange["kind"], true>> = {
  "reachability-set": true,
  heard: true,
  observed: true,
  "word-set": true,
  "unplaced-set": true,
  "unplaced-cleared": true,
  "settled-since": true,
  "brake-set": true,
  dirty: true,
  "rollout-dirty": true,
  decided: true,
};

const isVolatile = (change: Change): change is VolatileChange => change.kind in VOLATILE;
const isDurable = (change: Change): change is DurableChange => !isVolatile(change);
