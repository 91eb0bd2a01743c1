// One connection to the hub, from hello to its end: beats, assignments in, reports and events out. It never outlives its connection
// and never touches a container; what it accepts is durable before it says so.
import type { Assignment, Position } from "@skerry/shared/model/assignment.ts";
import type { Mark } from "@skerry/shared/model/mark.ts";
import type { Condition } from "@skerry/shared/model/node.ts";
import type { Report } from "@skerry/shared/model/report.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import { valueKey } from "@skerry/shared/model/value-names.ts";
import { assignmentHash } from "@skerry/shared/protocol/assignment-digest.ts";
import { decodeToAgent, encodeToHub } from "@skerry/shared/protocol/codec.ts";
import type { Connection } from "@skerry/shared/protocol/connection.ts";
import { keptText, openStreamText, valueText } from "@skerry/shared/protocol/hub-word.ts";
import { helloText } from "@skerry/shared/protocol/proof.ts";
import { type AssignmentHead, assignmentText } from "@skerry/shared/protocol/signed-assignment.ts";
import type { ToAgent, Welcome } from "@skerry/shared/protocol/to-agent.ts";
import type { ToHub } from "@skerry/shared/protocol/to-hub.ts";
import { MAX_VALUES_PER_ASK } from "@skerry/shared/protocol/values.ts";
import {
  CLOSE,
  MAX_EVENTS_PER_FRAME,
  MISSED_BEATS,
  PROTOCOL_MINIMUM,
  PROTOCOL_VERSION,
  WELCOME_DEADLINE_MS,
} from "@skerry/shared/protocol/version.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Clock, Millis, Timer } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { isSignedBy, signText } from "@skerry/shared/runtime/signature.ts";
import { accept, type Offered, type Signed, wholeOf } from "../core/accept.ts";
import { nextReport, type Told } from "../core/report.ts";
import { type AssignmentSeal, type Identity, type Ledger, LedgerError, toOutboxItem } from "../ledger/ledger.ts";
import { closeFailure, type LinkFailure } from "./failure.ts";
import { isRollWished, MAX_FORMER_BOX_KEYS, nextKeyFrame, rolledOver, withNextKey } from "./roll-key.ts";
import { isFiguresOnly, isUrgent } from "./urgent.ts";

/** A change worth knowing at once goes at once, unless the last report is younger: a deploy of thirty containers is a few frames, not ninety. */
const URGENT_REPORT_PERIOD_MS = 250;
/** Progress and the like. */
const REPORT_PERIOD_MS = 10_000;
const REPORT_PERIOD_METERED_MS = 300_000;
/** Figures that swing all day: a report of 0.6 KB each time, headers included, is 0.2 MB a day at the most, and 15 KB where it is metered. */
const FIGURES_PERIOD_MS = 300_000;
const FIGURES_PERIOD_METERED_MS = 3_600_000;
/** A hundred events with long reasons must stay far below the frame's limit; the rest follows after the acknowledgement. */
const MAX_EVENTS_CHARACTERS = 262_144;
/** With so much unsent the link is slower than what is said: reports and events wait, beats go on. */
const MAX_UNSENT_BYTES = 524_288;

/** As many as a mark has: no two connections ever say the same. */
const FRESH_BYTES = 16;
/** A value that was asked for and did not come, or was refused, is asked for again after this. */
const ASK_AGAIN_MS = 300_000;

/** What the link needs of secrets and configs. */
export interface SessionValues {
  lacking(assignment: Assignment | null): readonly ValueRef[];
  proof(): { readonly boxKey: string; readonly signature: string };
  /** `signature`: of the hub, checked already. */
  take(ref: ValueRef, box: string, signature: string): void;
  refuse(ref: ValueRef, reason: string): void;
}

export interface SessionParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly connection: Connection;
  readonly ledger: Ledger;
  readonly identity: Identity;
  readonly bootId: string;
  readonly runId: string;
  readonly agentVersion: string;
  readonly metered: boolean;
  readonly told: () => Told;
  readonly values?: SessionValues | undefined;
  readonly handlers: SessionHandlers;
}

export interface SessionHandlers {
  onWelcome(welcome: Welcome): void;
  onBeatSent(n: number): void;
  onBeatAcked(n: number): void;
  /** An assignment is durable. */
  onAccepted(assignment: Assignment): void;
  /** What lasts: an assignment refused, the ledger full. Replaces what was said before. */
  onConditions(conditions: readonly Condition[]): void;
  /** The hub wants the stream socket; `ticket` is single use. */
  onOpenStream(ticket: string): void;
  /** Called exactly once. `reconnectWithinMs`: the hub's own window, when it named one. */
  onEnd(failure: LinkFailure, reconnectWithinMs: number | null): void;
}

export class Session {
  readonly #parts: SessionParts;
  #phase: "greeting" | "open" | "ended" = "greeting";
  /** hello was said. */
  #greeted = false;
  /** What the signature in it was bound to; null: no TLS, or not the hub's own. */
  #bound: string | null = null;
  /** Of the hub's challenge. */
  #nonce = "";
  /** What the hub must say again in what it signs for this node to keep. */
  readonly #fresh: string;
  /** How many of these came. */
  #words = 0;
  #heartbeatMs = 0;
  #beats = 0;
  #heardAtMs: Millis;
  #firstUnansweredAtMs: Millis | null = null;
  #deadline: Timer | null = null;
  #beatTimer: Timer | null = null;
  #reportTimer: Timer | null = null;
  #reportDueAtMs: Millis | null = null;
  #reportedAtMs: Millis = Number.NEGATIVE_INFINITY;
  #lastTold: Told | null = null;
  /** Highest seq that was sent and not acknowledged; 0: none. */
  #eventsInFlight = 0;
  /** Acknowledged up to here, and still in the outbox because the ledger could not be written; 0: none. */
  #unforgotten = 0;
  #goodbyeWithinMs: number | null = null;
  #goodbyeReason = "";
  #ownFailure: LinkFailure | null = null;
  #lastRefusal = "";
  /** By value: when it was last asked for on this connection. */
  readonly #askedValues = new Map<string, Millis>();
  /** Asked for, and neither given nor refused yet. */
  readonly #awaitedValues = new Set<string>();

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#heardAtMs = parts.clock.monotonicMs();
    this.#fresh = parts.random.hex(FRESH_BYTES);
  }

  start(): void {
    const { clock, connection } = this.#parts;
    connection.listen({
      onFrame: (text) => this.#onFrame(text),
      onClose: (code, reason) => this.#onClose(code, reason),
    });
    this.#deadline = clock.setTimer(WELCOME_DEADLINE_MS, () =>
      this.#giveUp(CLOSE.tooSlow, {
        kind: "silent",
        message: `the hub did not greet this node within ${WELCOME_DEADLINE_MS / 1_000} s: it is very busy, or older than this agent`,
      }),
    );
  }

  /** To be said once, in answer to the challenge. */
  #hello({ nonce, binding }: Extract<ToAgent, { type: "challenge" }>): void {
    const refusal = this.#bindingRefusal(binding);
    if (refusal !== null) return this.#giveUp(CLOSE.notAuthenticated, refusal);
    const bound = binding === "none" ? null : (this.#parts.connection.binding ?? null);
    const { bootId, runId, agentVersion } = this.#parts;
    const identity = this.#known();
    this.#greeted = true;
    this.#nonce = nonce;
    this.#bound = bound;
    this.#send({
      type: "hello",
      protocol: PROTOCOL_VERSION,
      protocolMinimum: PROTOCOL_MINIMUM,
      node: identity.node,
      signature: signText(identity.privateKey, helloText(identity, nonce, bound)),
      ...{ bootId, runId, agentVersion },
      have: this.#have(),
      mark: identity.mark,
      pins: [...identity.pins],
      fresh: this.#fresh,
    });
  }

  /** A hub that once ended TLS itself and now says that it does not may be somebody in between. */
  #bindingRefusal(binding: "tls-exporter" | "none"): LinkFailure | null {
    const { connection } = this.#parts;
    const { hubUrl, binding: known } = this.#known();
    if (binding === "none" && known !== "none") {
      const message = `the hub at ${hubUrl} says that a proxy stands before it, and it had none before: if that is so now, give this node a new join token`;
      return { kind: "wrong-key", message };
    }
    if (binding === "tls-exporter" && connection.binding === undefined) {
      return { kind: "protocol", message: `the hub at ${hubUrl} asks for TLS, and this connection has none` };
    }
    return null;
  }

  /** What is known of the hub may grow while the session lasts. */
  #known(): Identity {
    return this.#parts.ledger.content().identity ?? this.#parts.identity;
  }

  /** The hub's keys, and that it ends TLS itself: said over a connection that showed a pinned key. `answer`: whether to tell that it is durable. */
  #keepHub(said: readonly string[], answer: boolean): void {
    const { log } = this.#parts;
    const known = this.#known();
    // A hub without TLS has none, and a node with pins has not spoken with such a one.
    const pins = said.length === 0 || known.pins.length === 0 ? known.pins : said;
    const binding = this.#bound === null ? known.binding : "tls-exporter";
    const isNews = pins.join() !== known.pins.join();
    // What cannot be kept is said again on the next connection.
    if ((isNews || binding !== known.binding) && !this.#keepIdentity({ ...known, pins, binding }, "the hub's keys"))
      return;
    if (isNews) log.info("the hub's keys were taken over", { pins: pins.join(",") });
    if (isNews || answer) this.#send({ type: "pins-kept", pins: [...pins] });
  }

  /** false: it could not be written, and nothing may be said of it. */
  #keepIdentity(identity: Identity, what: string): boolean {
    const { ledger, log } = this.#parts;
    try {
      ledger.commit([{ kind: "identity", identity }]);
      return true;
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      log.warn(`${what} could not be kept`, { reason: error.message });
      return false;
    }
  }

  /** Whether the hub's signing key says this; a node that joined before hubs signed keeps nothing by a hub's word. */
  #isHubs(text: string, signature: string | undefined): boolean {
    const { hubKey } = this.#parts.identity;
    return hubKey !== null && signature !== undefined && isSignedBy(hubKey, text, signature);
  }

  /** As `#isHubs`, of what the node is to keep. Said twice, or on another connection before, it does not count. */
  #mayKeep(pins: readonly string[] | null, mark: Mark | null, signature: string | undefined, count: number): boolean {
    const place = { fresh: this.#fresh, count };
    const isHubs = count === this.#words + 1 && this.#isHubs(keptText(this.#known(), place, pins, mark), signature);
    if (isHubs) this.#words = count;
    else this.#parts.log.warn("the hub's keys or mark came without its signature, and are not kept");
    return isHubs;
  }

  /** Something that a report would tell may have changed. */
  reportSoon(): void {
    if (this.#phase !== "open") return;
    const next = nextReport(this.#lastTold, this.#parts.told());
    if (next === null) return;
    this.#scheduleReport(this.#periodMs(next.report));
  }

  /** Events may have been added to the outbox. */
  sendEvents(): void {
    const { ledger, bootId, clock } = this.#parts;
    if (this.#phase !== "open" || this.#eventsInFlight > 0 || this.#clogged()) return;
    // While the disk is full the same events would go out again and again.
    if (this.#unforgotten > 0) this.#acknowledged(this.#unforgotten);
    if (this.#unforgotten > 0) return;
    const now = clock.monotonicMs();
    const items = [];
    let characters = 0;
    for (const stored of ledger.content().outbox) {
      const item = toOutboxItem(stored, bootId, now);
      characters += JSON.stringify(item).length;
      if (items.length > 0 && characters > MAX_EVENTS_CHARACTERS) break;
      items.push(item);
      if (items.length === MAX_EVENTS_PER_FRAME) break;
    }
    const last = items.at(-1);
    if (last === undefined) return;
    this.#eventsInFlight = last.seq;
    this.#send({ type: "events", items });
  }

  close(reason: string): void {
    this.#giveUp(CLOSE.goingAway, { kind: "broken-off", message: reason });
  }

  #onFrame(text: string): void {
    if (this.#phase === "ended") return;
    const decoded = decodeToAgent(text);
    if (!decoded.ok) {
      this.#giveUp(CLOSE.protocolError, {
        kind: "protocol",
        message: `the hub sent a frame that this agent does not understand: ${decoded.error}`,
      });
      return;
    }
    this.#heardAtMs = this.#parts.clock.monotonicMs();
    if (this.#phase === "greeting") this.#onGreeting(decoded.value);
    else this.#onMessage(decoded.value);
  }

  #onGreeting(message: ToAgent): void {
    switch (message.type) {
      case "challenge":
        if (!this.#greeted) return this.#hello(message);
        return this.#giveUp(CLOSE.protocolError, { kind: "protocol", message: "the hub sent challenge twice" });
      case "welcome":
        this.#onWelcome(message);
        return;
      case "goodbye":
        this.#onGoodbye(message.reason, message.reconnectWithinMs);
        return;
      default:
        this.#giveUp(CLOSE.protocolError, {
          kind: "protocol",
          message: `the hub sent ${message.type} before welcome`,
        });
    }
  }

  #onWelcome(welcome: Welcome): void {
    const refusal = this.#welcomeRefusal(welcome);
    if (refusal !== null) {
      this.#giveUp(refusal.code, refusal.failure);
      return;
    }
    this.#deadline?.cancel();
    this.#phase = "open";
    this.#heartbeatMs = welcome.heartbeatMs;
    // First what the hub already holds, so that none of it goes out again.
    this.#acknowledged(welcome.eventsAcked);
    const { mark, pins = null, signature } = welcome;
    const mayKeep = (mark !== null || pins !== null) && this.#mayKeep(pins, mark, signature, 1);
    if (mark !== null && mayKeep) this.#keepMark(mark);
    this.#parts.handlers.onWelcome(welcome);
    this.#keepHub((mayKeep ? pins : null) ?? [], false);
    this.#beat();
    this.#report();
    this.sendEvents();
    this.#askForValues();
  }

  /** One that cannot be kept is not answered: the hub goes on taking the one before. */
  #keepMark(mark: Mark): void {
    if (this.#keepIdentity({ ...this.#known(), mark }, "the hub's new mark")) this.#send({ type: "marked", mark });
  }

  /** The next key is durable before it is named; a repeat names the same. */
  #onRollKey(signature: string): void {
    const { log, random } = this.#parts;
    const known = this.#known();
    if (!isRollWished(known, signature))
      return log.warn("a wish for another key is not the hub's, or of an earlier key");
    if (known.formerBoxKeys.length >= MAX_FORMER_BOX_KEYS)
      return log.warn("no further key: secrets and configs lie under too many former ones", {
        keys: known.formerBoxKeys.length,
      });
    const ready = withNextKey(known, random);
    if (ready !== known && !this.#keepIdentity(ready, "this node's next key")) return;
    if (ready.nextKey !== null) this.#send(nextKeyFrame(ready, ready.nextKey, this.#nonce, this.#bound));
  }

  /** One that cannot be kept is offered again on the next connection: until the node shows the new key, the hub takes either. */
  #onKeyTaken(taken: { readonly publicKey: string; readonly signature: string }): void {
    const { log } = this.#parts;
    const rolled = rolledOver(this.#known(), taken);
    if (rolled === null) return log.warn("the hub's word for another key is not its own, or of another key");
    if (!this.#keepIdentity(rolled, "this node's new key")) return;
    log.info("this node has another key, and connects anew with it");
    this.#goodbyeWithinMs = 0;
    this.#giveUp(CLOSE.goingAway, { kind: "goodbye", message: "this node has another key, and connects anew with it" });
  }

  #onValue(ref: ValueRef, box: string, signature: string): void {
    const { values } = this.#parts;
    this.#answered(ref);
    if (this.#isHubs(valueText(this.#known(), ref, box), signature)) values?.take(ref, box, signature);
    else values?.refuse(ref, "what came is not signed by this node's hub");
    this.#askForValues();
  }

  #onOpenStream(ticket: string, signature: string): void {
    if (this.#isHubs(openStreamText(this.#known(), this.#fresh, ticket), signature))
      this.#parts.handlers.onOpenStream(ticket);
    else this.#parts.log.warn("a wish for a stream socket is not signed by the hub");
  }

  #welcomeRefusal(welcome: Welcome): { code: number; failure: LinkFailure } | null {
    const { identity } = this.#parts;
    if (welcome.installation !== identity.installation) {
      const message = `the hub at ${identity.hubUrl} is of another installation (${welcome.installation}, this node belongs to ${identity.installation}): was it set up anew, or restored elsewhere?`;
      return { code: CLOSE.notAuthenticated, failure: { kind: "wrong-installation", message } };
    }
    if (welcome.protocol > PROTOCOL_VERSION) {
      return { code: CLOSE.versionTooNew, failure: closeFailure(CLOSE.versionTooOld, "") };
    }
    if (welcome.protocol < PROTOCOL_MINIMUM) {
      return { code: CLOSE.versionTooOld, failure: closeFailure(CLOSE.versionTooNew, "") };
    }
    return null;
  }

  #onMessage(message: ToAgent): void {
    switch (message.type) {
      case "challenge":
      case "welcome":
        // Said twice: harmless, and nothing that it says may be taken back.
        return;
      case "pins":
        if (this.#mayKeep(message.pins, null, message.signature, message.count)) this.#keepHub(message.pins, true);
        return;
      case "roll-key":
        this.#onRollKey(message.signature);
        return;
      case "key-taken":
        this.#onKeyTaken(message);
        return;
      case "pace": {
        const isFaster = message.heartbeatMs < this.#heartbeatMs;
        this.#heartbeatMs = message.heartbeatMs;
        // The last beat may be as old as the lease of what is fenced from now on is long: that would be stopped before the next beat.
        if (isFaster) this.#beat();
        else this.#scheduleBeat();
        return;
      }
      case "beat-ack":
        this.#firstUnansweredAtMs = null;
        this.#parts.handlers.onBeatAcked(message.n);
        return;
      case "assign":
        this.#onOffer({ kind: "whole", assignment: message.assignment }, message.signature);
        return;
      case "assign-delta":
        this.#onOffer({ kind: "delta", delta: message.delta }, message.signature);
        return;
      case "events-ack":
        this.#acknowledged(message.seq);
        this.sendEvents();
        return;
      case "goodbye":
        this.#onGoodbye(message.reason, message.reconnectWithinMs);
        return;
      case "open-stream":
        this.#onOpenStream(message.ticket, message.signature);
        return;
      case "value":
        this.#onValue(message.ref, message.box, message.signature);
        return;
      case "value-refused":
        this.#answered(message.ref);
        this.#parts.values?.refuse(message.ref, message.reason);
        this.#askForValues();
        return;
      default:
        assertNever(message, "message to the agent");
    }
  }

  #onOffer(offered: Offered, signature: string): void {
    const { ledger, identity } = this.#parts;
    const { assignment: held, containers } = ledger.content();
    const head = offered.kind === "whole" ? offered.assignment : offered.delta;
    const whole = wholeOf(held, offered);
    const hash = whole === null ? null : assignmentHash(whole);
    const outcome = accept(held, offered, identity, hash, new Set(containers.values()), this.#signed(head, signature));
    switch (outcome.kind) {
      case "accept":
        this.#keep(outcome.assignment, { signature, carried: outcome.carried });
        return;
      case "already":
        this.#parts.handlers.onConditions([]);
        this.#send({ type: "accepted", position: head.position, hash: head.hash });
        return;
      case "need-whole":
        this.#send({ type: "need-whole", have: this.#have() });
        return;
      case "refuse":
        this.#refuse(head.position, outcome.reason, outcome.message);
        return;
      default:
        assertNever(outcome, "acceptance");
    }
  }

  #signed(head: AssignmentHead, signature: string): Signed {
    const { hubKey } = this.#parts.identity;
    if (hubKey === null) return "no-key";
    return isSignedBy(hubKey, assignmentText(head), signature) ? "by-hub" : "not-by-hub";
  }

  #keep(assignment: Assignment, seal: AssignmentSeal): void {
    const { ledger, clock, handlers } = this.#parts;
    const { position, hash, workloads } = assignment;
    const event = { kind: "assignment-accepted", ...position, workloads: workloads.length } as const;
    const stamps = { atMs: clock.monotonicMs(), wallMs: clock.wallMs() };
    try {
      ledger.commit([
        { kind: "assignment", assignment, seal },
        { kind: "event", ...stamps, event },
      ]);
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      this.#refuse(position, "not-durable", error.message);
      return;
    }
    this.#lastRefusal = "";
    handlers.onConditions([]);
    this.#send({ type: "accepted", position, hash });
    handlers.onAccepted(assignment);
    this.reportSoon();
    this.sendEvents();
    this.#askForValues();
  }

  #refuse(position: Position, reason: Extract<ToHub, { type: "refused" }>["reason"], message: string): void {
    this.#send({ type: "refused", position, reason, message: message.slice(0, 4_000), have: this.#have() });
    const at = `${position.epoch}.${position.generation}`;
    const condition: Condition = { kind: "assignment-refused", message: `assignment ${at} was refused: ${message}` };
    const full: Condition = { kind: "disk-full", message: `${message}. What runs now carries on` };
    this.#parts.handlers.onConditions(reason === "not-durable" ? [full] : [condition]);
    // The hub offers it again every minute: one event is enough, and one that cannot be written is not worth failing for.
    if (this.#lastRefusal === `${at} ${reason}` || reason === "not-durable") return;
    this.#lastRefusal = `${at} ${reason}`;
    this.#note({ kind: "assignment-refused", ...position, reason: message.slice(0, 4_000) });
  }

  #note(event: { kind: "assignment-refused"; epoch: number; generation: number; reason: string }): void {
    const { ledger, clock, log } = this.#parts;
    try {
      ledger.commit([{ kind: "event", atMs: clock.monotonicMs(), wallMs: clock.wallMs(), event }]);
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      log.warn("event not kept", { event: event.kind, reason: error.message });
    }
  }

  /** The hub holds everything up to `seq`: it may go. If it cannot be forgotten now, the hub will see it again and drop it. */
  #acknowledged(seq: number): void {
    const { ledger, log } = this.#parts;
    if (seq >= this.#eventsInFlight) this.#eventsInFlight = 0;
    const { outbox, nextSeq } = ledger.content();
    if (seq < (outbox[0]?.seq ?? nextSeq)) return;
    this.#unforgotten = seq;
    try {
      ledger.commit([{ kind: "events-acked", seq }]);
      this.#unforgotten = 0;
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      log.warn("acknowledged events not let go", { reason: error.message });
    }
  }

  #onGoodbye(reason: string, withinMs: number): void {
    this.#goodbyeReason = reason;
    this.#goodbyeWithinMs = withinMs;
    this.#giveUp(CLOSE.goingAway, { kind: "goodbye", message: `the hub is going away for a while (${reason})` });
  }

  #beat(): void {
    this.#beats += 1;
    this.#firstUnansweredAtMs ??= this.#parts.clock.monotonicMs();
    // First the note, then the frame: an answer must find its beat.
    this.#parts.handlers.onBeatSent(this.#beats);
    this.#send({ type: "beat", n: this.#beats });
    this.#scheduleBeat();
  }

  #scheduleBeat(): void {
    this.#beatTimer?.cancel();
    this.#beatTimer = this.#parts.clock.setTimer(this.#heartbeatMs, () => this.#onBeatTime());
  }

  #onBeatTime(): void {
    const silentMs = this.#silentMs();
    if (silentMs >= MISSED_BEATS * this.#heartbeatMs) {
      this.#giveUp(CLOSE.tooSlow, {
        kind: "silent",
        message: `nothing came from the hub for ${Math.round(silentMs / 1_000)} s`,
      });
      return;
    }
    this.#beat();
    this.reportSoon();
    this.sendEvents();
    this.#askForValues();
  }

  /** A few at a time: the next when those have been answered. */
  #askForValues(): void {
    const { clock, ledger, values } = this.#parts;
    if (values === undefined || this.#phase !== "open") return;
    const now = clock.monotonicMs();
    for (const key of this.#awaitedValues)
      if (now - (this.#askedValues.get(key) ?? now) >= ASK_AGAIN_MS) this.#awaitedValues.delete(key);
    if (this.#awaitedValues.size > 0) return;
    const due = values.lacking(ledger.content().assignment).filter((ref) => {
      const asked = this.#askedValues.get(valueKey(ref));
      return asked === undefined || now - asked >= ASK_AGAIN_MS;
    });
    const wanted = due.slice(0, MAX_VALUES_PER_ASK);
    if (wanted.length === 0) return;
    for (const ref of wanted) {
      this.#askedValues.set(valueKey(ref), now);
      this.#awaitedValues.add(valueKey(ref));
    }
    this.#send({ type: "need-values", ...values.proof(), wanted });
  }

  #answered(ref: ValueRef): void {
    this.#awaitedValues.delete(valueKey(ref));
  }

  /** Since the first beat that has no answer; anything that came after it counts as an answer: a long frame may be under way. */
  #silentMs(): number {
    if (this.#firstUnansweredAtMs === null) return 0;
    return this.#parts.clock.monotonicMs() - Math.max(this.#firstUnansweredAtMs, this.#heardAtMs);
  }

  #periodMs(report: Report): number {
    if (isUrgent(this.#lastTold, report)) return URGENT_REPORT_PERIOD_MS;
    if (!isFiguresOnly(this.#lastTold, report)) return this.#reportPeriodMs();
    return this.#parts.metered ? FIGURES_PERIOD_METERED_MS : FIGURES_PERIOD_MS;
  }

  #reportPeriodMs(): number {
    return this.#parts.metered ? REPORT_PERIOD_METERED_MS : REPORT_PERIOD_MS;
  }

  /** At the latest `periodMs` after the last one; an earlier appointment stands. */
  #scheduleReport(periodMs: number): void {
    const { clock } = this.#parts;
    const now = clock.monotonicMs();
    const dueAtMs = Math.max(now, this.#reportedAtMs + periodMs);
    if (this.#reportDueAtMs !== null && this.#reportDueAtMs <= dueAtMs) return;
    this.#reportTimer?.cancel();
    this.#reportDueAtMs = dueAtMs;
    this.#reportTimer = clock.setTimer(dueAtMs - now, () => this.#report());
  }

  #report(): void {
    const { clock, told } = this.#parts;
    this.#reportTimer?.cancel();
    this.#reportDueAtMs = null;
    if (this.#phase !== "open") return;
    if (this.#clogged()) {
      this.#reportedAtMs = clock.monotonicMs();
      this.#scheduleReport(this.#reportPeriodMs());
      return;
    }
    const next = nextReport(this.#lastTold, told());
    if (next === null) return;
    this.#send({ type: "report", report: next.report });
    this.#lastTold = next.told;
    this.#reportedAtMs = clock.monotonicMs();
  }

  #clogged(): boolean {
    return this.#parts.connection.bufferedBytes() > MAX_UNSENT_BYTES;
  }

  #have(): { position: Position; hash: Assignment["hash"] } | null {
    const { assignment } = this.#parts.ledger.content();
    return assignment === null ? null : { position: assignment.position, hash: assignment.hash };
  }

  #send(message: ToHub): void {
    if (this.#phase !== "ended") this.#parts.connection.send(encodeToHub(message));
  }

  #giveUp(code: number, failure: LinkFailure): void {
    if (this.#phase === "ended") return;
    this.#ownFailure ??= failure;
    this.#parts.connection.close(code, failure.message.slice(0, 100));
    // The other side may be gone: its answer to the close is not waited for.
    this.#end(failure);
  }

  #onClose(code: number, reason: string): void {
    this.#end(this.#ownFailure ?? closeFailure(code, reason));
  }

  #end(failure: LinkFailure): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    for (const timer of [this.#deadline, this.#beatTimer, this.#reportTimer]) timer?.cancel();
    this.#parts.log.debug("session ended", { reason: failure.message, goodbye: this.#goodbyeReason });
    this.#parts.handlers.onEnd(failure, this.#goodbyeWithinMs);
  }
}
