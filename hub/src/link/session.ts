// One connection of one node: awaiting-hello → greeting → ready → closed. A state holds only what is true in it; a transition replaces it.
// It parses frames, keeps deadlines and quotas, and answers; what a frame means is decided in core, behind the Hub.
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { NodeId, PublicKey } from "@skerry/shared/model/ids.ts";
import type { Mark } from "@skerry/shared/model/mark.ts";
import { decodeToHub, encodeToAgent } from "@skerry/shared/protocol/codec.ts";
import type { Connection } from "@skerry/shared/protocol/connection.ts";
import { keptText, keyTakenText, openStreamText, rollKeyText } from "@skerry/shared/protocol/hub-word.ts";
import { nextKeyText, type Signer } from "@skerry/shared/protocol/proof.ts";
import { assignmentText } from "@skerry/shared/protocol/signed-assignment.ts";
import type { ToAgent, Welcome } from "@skerry/shared/protocol/to-agent.ts";
import type { Hello, NextKey } from "@skerry/shared/protocol/to-hub.ts";
import type { NeedValues } from "@skerry/shared/protocol/values.ts";
import { CLOSE, HELLO_DEADLINE_MS, MAX_FRAME_TO_AGENT_BYTES, MISSED_BEATS } from "@skerry/shared/protocol/version.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { Clock, Millis, Timer } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import { NO_KEY_ROLL } from "../core/key-roll.ts";
import { lineageAfter, markToGive } from "../core/lineage.ts";
import { heartbeatMs, mayRenewLease } from "../core/liveness.ts";
import { isSignedByNode } from "./authenticate.ts";
import * as dispatch from "./dispatch.ts";
import type { Frame, Hub, InputResult } from "./hub.ts";
import {
  ALIVE_PERIODS,
  ANSWER_DEADLINE_MS,
  BYTES_BURST,
  BYTES_PER_SECOND,
  EVENTS_BURST,
  EVENTS_PER_SECOND,
  FRAMES_BURST,
  FRAMES_PER_SECOND,
  MAX_BUFFERED_BYTES,
  MAX_EVENTS_DELAY_MS,
  REFUSED_RETRY_MS,
  SILENCE_GRACE_MS,
  VALUES_BURST,
  VALUES_PER_SECOND,
} from "./limits.ts";
import { Quota } from "./quota.ts";

export type SessionState =
  | { readonly kind: "awaiting-hello"; readonly deadline: Timer }
  /** Who it is was checked; what follows from its coming is not durable yet. */
  | { readonly kind: "greeting"; readonly hello: Hello; readonly key: PublicKey }
  | Ready
  | { readonly kind: "closed" };

export interface Ready {
  readonly kind: "ready";
  readonly hello: Hello;
  /** By which it showed who it is. */
  readonly key: PublicKey;
  readonly heartbeatMs: number;
  readonly delivery: dispatch.Delivery;
}

export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE];

export interface SessionOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly hub: Hub;
  readonly connection: Connection;
  /** Remote address, for the log. */
  readonly from: string;
  readonly hubVersion: string;
  /** The newest protocol that this side speaks. */
  readonly version: number;
  /** What the node has to sign: 32 random bytes as hex, of this connection alone. */
  readonly nonce: string;
  /** By the hub's signing key. */
  readonly sign: (text: string) => string;
  /** Of its node's connections one that was opened later has a larger number. */
  readonly number: number;
  /** Of the hub's key and its next one. */
  readonly pins: () => readonly string[];
  readonly onPinsKept: (node: NodeId, pins: readonly string[]) => void;
  /** Judges a hello: versions, signature, clones. It calls `greet` or `close` on the session. */
  readonly onHello: (session: Session, hello: Hello) => void;
  readonly onClosed: (session: Session, before: SessionState) => void;
  /** What a node that was greeted gets of the values that it asks for. */
  readonly values?: ((node: NodeId, asked: NeedValues) => readonly ToAgent[]) | undefined;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #frames: Quota;
  readonly #bytes: Quota;
  readonly #events: Quota;
  readonly #values: Quota;
  readonly #timers = new Set<Timer>();
  #state: SessionState;
  #lastHeardMs: Millis;
  /** Something that this node said could not be stored. */
  #lossy = false;
  /** Silence before this is not held against the node: its period was just changed. */
  #graceUntilMs: Millis = 0;
  /** How often the node was told something to keep, see protocol/hub-word. */
  #words = 0;
  /** The wish for another key was said. */
  #rollSaid = false;
  /** For the assignment that is under way. */
  #answerBy: Timer | null = null;

  constructor(options: SessionOptions) {
    const { clock, connection } = options;
    this.#options = options;
    this.#frames = new Quota(clock, FRAMES_PER_SECOND, FRAMES_BURST);
    this.#bytes = new Quota(clock, BYTES_PER_SECOND, BYTES_BURST);
    this.#events = new Quota(clock, EVENTS_PER_SECOND, EVENTS_BURST);
    this.#values = new Quota(clock, VALUES_PER_SECOND, VALUES_BURST);
    this.#lastHeardMs = clock.monotonicMs();
    const deadline = this.#after(HELLO_DEADLINE_MS, () =>
      this.close(CLOSE.protocolError, `no hello within ${HELLO_DEADLINE_MS / 1_000} s`),
    );
    this.#state = { kind: "awaiting-hello", deadline };
    connection.listen({
      onFrame: (text) => this.#onFrame(text),
      onClose: (code, reason) => this.#onClose(code, reason),
    });
    if (this.#state.kind === "awaiting-hello")
      this.#send({ type: "challenge", nonce: options.nonce, binding: this.binding === null ? "none" : "tls-exporter" });
  }

  /** Of its connection; null: TLS does not end here. */
  get binding(): string | null {
    return this.#options.connection.binding ?? null;
  }

  /** The hub's keys changed. */
  tellPins(): void {
    if (this.#state.kind !== "ready") return;
    const pins = [...this.#options.pins()];
    this.#words += 1;
    const signature = this.#options.sign(this.#keptText(this.#state.hello, pins, null));
    this.#send({ type: "pins", pins, count: this.#words, signature });
  }

  #keptText({ node, fresh = "" }: Hello, pins: readonly string[] | null, mark: Mark | null): string {
    return keptText(this.#signer(node), { fresh, count: this.#words }, pins, mark);
  }

  #signer(node: NodeId): Signer {
    return { installation: this.#options.hub.world.installation, node };
  }

  get from(): string {
    return this.#options.from;
  }

  get nonce(): string {
    return this.#options.nonce;
  }

  get number(): number {
    return this.#options.number;
  }

  get state(): SessionState {
    return this.#state;
  }

  get lossy(): boolean {
    return this.#lossy;
  }

  /** The node, once it was greeted. */
  get hello(): Hello | null {
    return this.#state.kind === "greeting" || this.#state.kind === "ready" ? this.#state.hello : null;
  }

  /** true: heard lately enough for its period. A connection that is still being greeted was heard just now. */
  isAnswering(): boolean {
    if (this.#state.kind !== "ready") return this.#state.kind === "greeting";
    return this.#options.clock.monotonicMs() - this.#lastHeardMs <= ALIVE_PERIODS * this.#state.heartbeatMs;
  }

  get lastHeardMs(): Millis {
    return this.#lastHeardMs;
  }

  /** Milliseconds after which it no longer counts as answering, if it stays silent. */
  answeringForMs(): number {
    const period = this.#state.kind === "ready" ? this.#state.heartbeatMs : 0;
    return Math.max(0, this.#lastHeardMs + ALIVE_PERIODS * period - this.#options.clock.monotonicMs());
  }

  /** Only from `onHello`, for a node whose signature was checked. */
  greet(hello: Hello, key: PublicKey): void {
    if (this.#state.kind !== "awaiting-hello") return;
    this.#cancel(this.#state.deadline);
    this.#options.connection.trust?.();
    this.#state = { kind: "greeting", hello, key };
    const { hub } = this.#options;
    hub.greet(
      hello,
      key,
      (world) => dispatch.hashMatches(world, hello.node, hello.have),
      (result) => this.#onGreeted(hello, result),
    );
  }

  /** Sends what the node lacks, and its new period if that changed. Called when something of this node moved in the World. */
  offer(): void {
    if (this.#state.kind !== "ready") return;
    this.#offerPace(this.#state);
    this.#offerAssignment(this.#state);
    this.#offerKeyRoll(this.#state);
  }

  /**
   * Sends something that needs no answer: if the machine at the other end was started anew, its system answers with a reset and the
   * connection ends at once.
   */
  probe(): void {
    if (this.#state.kind === "ready") this.#send({ type: "pace", heartbeatMs: this.#state.heartbeatMs });
  }

  /** Asks the node to dial the stream socket; false: it is not greeted yet. */
  openStream(ticket: string): boolean {
    if (this.#state.kind !== "ready") return false;
    const { node, fresh = "" } = this.#state.hello;
    const signature = this.#options.sign(openStreamText(this.#signer(node), fresh, ticket));
    this.#send({ type: "open-stream", ticket, signature });
    return true;
  }

  goodbye(reason: string, reconnectWithinMs: number): void {
    if (this.#state.kind === "closed") return;
    this.#send({ type: "goodbye", reason, reconnectWithinMs: Math.round(reconnectWithinMs) });
    this.close(CLOSE.goingAway, reason);
  }

  close(code: CloseCode, reason: string): void {
    if (this.#state.kind === "closed") return;
    this.#options.connection.close(code, reason);
    this.#onClose(code, reason);
  }

  #onFrame(text: string): void {
    if (this.#state.kind === "closed") return;
    this.#lastHeardMs = this.#options.clock.monotonicMs();
    const overMs = Math.max(this.#frames.take(1), this.#bytes.take(text.length));
    if (overMs > 0) return this.close(CLOSE.tooSlow, "too many frames: more than this hub takes from one node");
    const decoded = decodeToHub(text);
    if (!decoded.ok) return this.close(CLOSE.protocolError, decoded.error);
    const frame = decoded.value;
    if (this.#state.kind === "awaiting-hello") {
      if (frame.type === "hello") this.#options.onHello(this, frame);
      else this.close(CLOSE.protocolError, `the first frame must be hello, not ${frame.type}`);
      return;
    }
    if (frame.type === "hello") return this.close(CLOSE.protocolError, "hello was said before");
    if (frame.type === "need-values") return this.#giveValues(this.#state.hello.node, frame);
    if (frame.type === "pins-kept") return this.#options.onPinsKept(this.#state.hello.node, frame.pins);
    if (frame.type === "next-key" && !this.#isProven(this.#state, frame))
      return this.close(CLOSE.protocolError, "the next key is not signed by it and by the present one");
    this.#receive(this.#state.hello.node, frame);
  }

  /** Neither who has the present key alone nor who stands in between can name another. */
  #isProven({ hello, key }: Pick<Ready, "hello" | "key">, { publicKey, byPresent, byNext }: NextKey): boolean {
    const to = { from: key, to: publicKey };
    const text = nextKeyText(this.#signer(hello.node), to, this.#options.nonce, this.binding);
    return key !== publicKey && isSignedByNode(key, text, byPresent) && isSignedByNode(publicKey, text, byNext);
  }

  /** Changes nothing, so it does not go through the control loop; asked before the welcome, it waits for being asked again. */
  #giveValues(node: NodeId, asked: NeedValues): void {
    if (this.#state.kind !== "ready") return;
    if (this.#values.take(asked.wanted.length) > 0)
      return this.close(CLOSE.tooSlow, "too many values asked for: more than any assignment names");
    for (const answer of this.#options.values?.(node, asked) ?? []) this.#send(answer);
  }

  #receive(node: NodeId, frame: Frame): void {
    const delayMs = frame.type === "events" ? this.#events.take(frame.items.length) : 0;
    if (delayMs > MAX_EVENTS_DELAY_MS) {
      return this.close(CLOSE.tooSlow, "too many events: the next page must wait for the acknowledgement");
    }
    this.#options.hub.receive(node, frame, (result) => this.#onReceived(node, frame, result, delayMs));
  }

  #onGreeted(hello: Hello, result: InputResult): void {
    if (this.#state.kind !== "greeting" || this.#givenUp(result)) return;
    const { key } = this.#state;
    const { hub, hubVersion, version } = this.#options;
    // What could not be stored may have been the freeze of this node.
    const node = hub.world.nodes.get(hello.node);
    if (result.kind === "lost" && (node === undefined || lineageAfter(node.lineage, hello, "") === null))
      return this.close(CLOSE.frozen, "somebody holds a newer mark of this node");
    const period = heartbeatMs(hub.world, hello.node);
    const delivery = dispatch.deliveryAt(hub.world, hello.node, hello.have);
    this.#state = { kind: "ready", hello, key, heartbeatMs: period, delivery };
    const mark = markToGive(hub.world.nodes.get(hello.node), hello.mark);
    this.#send({
      type: "welcome",
      protocol: Math.min(hello.protocol, version),
      installation: hub.world.installation,
      hubVersion,
      heartbeatMs: period,
      eventsAcked: hub.world.nodes.get(hello.node)?.eventsAcked ?? 0,
      ...this.#toKeep(hello, mark),
    });
    this.#watchSilence();
    this.offer();
  }

  /** Signed only when there is something: who connects with what the hub would tell costs no signature. */
  #toKeep(hello: Hello, mark: Mark | null): Pick<Welcome, "mark" | "pins" | "signature"> {
    const now = this.#options.pins();
    const pins = hello.pins?.join() === now.join() ? null : [...now];
    if (mark === null && pins === null) return { mark };
    this.#words += 1;
    const signature = this.#options.sign(this.#keptText(hello, pins, mark));
    return { mark, ...(pins === null ? {} : { pins }), signature };
  }

  /** Only now is what the frame said durable (or volatile and in the World): only now is it answered. */
  #onReceived(node: NodeId, frame: Frame, result: InputResult, delayMs: number): void {
    if (this.#state.kind !== "ready" || this.#givenUp(result)) return;
    switch (frame.type) {
      case "beat":
        // The hub counts the node's lease from when it heard the beat, which is before this.
        if (mayRenewLease(this.#options.hub.world, node)) this.#send({ type: "beat-ack", n: frame.n });
        return;
      case "events":
        if (result.kind === "done") this.#ackEvents(node, delayMs);
        return;
      case "accepted":
        return this.#moveOn(dispatch.accepted(this.#state.delivery, frame));
      case "refused":
        this.#moveOn(dispatch.refused(frame.have, frame.position));
        // The others are lasting: more of the same would only cost a metered link.
        if (frame.reason === "not-durable") this.#after(REFUSED_RETRY_MS, () => this.#letGo());
        return;
      case "need-whole":
        return this.#moveOn(dispatch.startOver(frame.have));
      case "next-key":
        if (result.kind === "done") this.#answerNextKey(this.#state, frame.publicKey);
        return;
      case "report":
      case "marked":
        return;
      default:
        assertNever(frame, "frame");
    }
  }

  /** true: the connection ended because of this result. */
  #givenUp(result: InputResult): boolean {
    switch (result.kind) {
      case "done":
        return false;
      case "lost":
        // It lives on: containers do not depend on the hub's disk. When storing works again it is asked to come anew.
        this.#lossy = true;
        return false;
      case "overloaded":
        this.close(CLOSE.tooSlow, "more is waiting than this hub can take; come back later");
        return true;
      case "invalid":
        this.close(CLOSE.protocolError, result.message);
        return true;
      default:
        return assertNever(result, "result");
    }
  }

  #ackEvents(node: NodeId, delayMs: number): void {
    const ack = (): void => {
      const seq = this.#options.hub.world.nodes.get(node)?.eventsAcked;
      if (this.#state.kind === "ready" && seq !== undefined) this.#send({ type: "events-ack", seq });
    };
    if (delayMs === 0) ack();
    else this.#after(delayMs, ack);
  }

  #moveOn(delivery: dispatch.Delivery): void {
    if (this.#state.kind !== "ready") return;
    if (delivery.underWay === null) this.#awaitNoAnswer();
    this.#state = { ...this.#state, delivery };
    this.offer();
  }

  /** The pause after a refusal is over. */
  #letGo(): void {
    if (this.#state.kind === "ready" && this.#state.delivery.held !== null) {
      this.#moveOn({ ...this.#state.delivery, held: null });
    }
  }

  #offerPace(ready: Ready): void {
    const period = heartbeatMs(this.#options.hub.world, ready.hello.node);
    if (period === ready.heartbeatMs) return;
    // The next beat may still come by the old period.
    const oldMs = MISSED_BEATS * ready.heartbeatMs;
    this.#graceUntilMs = this.#options.clock.monotonicMs() + oldMs;
    this.#state = { ...ready, heartbeatMs: period };
    this.#send({ type: "pace", heartbeatMs: period });
    this.#watchSilence();
  }

  /** Once on a connection; not by the next key, for then it is over as soon as it is stored. */
  #offerKeyRoll({ hello: { node }, key }: Ready): void {
    const keyRoll = this.#options.hub.world.nodes.get(node)?.keyRoll ?? NO_KEY_ROLL;
    if (keyRoll.kind === "none" || (keyRoll.kind === "named" && keyRoll.next === key)) {
      this.#rollSaid = false;
      return;
    }
    if (this.#rollSaid) return;
    this.#rollSaid = true;
    this.#send({ type: "roll-key", signature: this.#options.sign(rollKeyText(this.#signer(node), key)) });
  }

  #answerNextKey({ hello: { node }, key }: Ready, publicKey: PublicKey): void {
    const keyRoll = this.#options.hub.world.nodes.get(node)?.keyRoll;
    if (keyRoll?.kind !== "named" || keyRoll.next !== publicKey) return;
    const signature = this.#options.sign(keyTakenText(this.#signer(node), key, publicKey));
    this.#send({ type: "key-taken", publicKey, signature });
  }

  #offerAssignment({ hello: { node } }: Ready): void {
    // Read anew: the pace may have been replaced in the state since.
    if (this.#state.kind !== "ready") return;
    const offer = dispatch.nextOffer(this.#options.hub.world, node, this.#state.delivery);
    if (offer.kind === "nothing") return;
    const { assignment } = offer;
    // Only what is sent is signed: a signature costs as much as building a small assignment does.
    const signature = this.#options.sign(assignmentText(assignment));
    const text = encodeToAgent(
      offer.kind === "whole"
        ? { type: "assign", assignment, signature }
        : { type: "assign-delta", delta: offer.delta, signature },
    );
    if (Buffer.byteLength(text) > MAX_FRAME_TO_AGENT_BYTES) return this.#tooLarge(node, assignment, text.length);
    this.#state = { ...this.#state, delivery: { ...this.#state.delivery, underWay: assignment } };
    this.#sendText(text);
    this.#awaitAnswer(assignment);
  }

  #tooLarge(node: NodeId, assignment: Assignment, bytes: number): void {
    if (this.#state.kind !== "ready") return;
    this.#state = { ...this.#state, delivery: { ...this.#state.delivery, held: assignment.position } };
    const message = `its assignment has ${bytes} bytes; at most ${MAX_FRAME_TO_AGENT_BYTES} can be sent: place fewer or smaller services on it`;
    this.#options.log.error("assignment is too large to send", { node, bytes });
    this.#options.hub.note({ kind: "assignment-refused", node, reason: "too-large", message });
  }

  #awaitAnswer(assignment: Assignment): void {
    this.#awaitNoAnswer();
    this.#answerBy = this.#after(ANSWER_DEADLINE_MS, () => {
      if (this.#state.kind !== "ready" || this.#state.delivery.underWay !== assignment) return;
      // On a very slow link the frame itself may still be on its way.
      if (this.#options.connection.bufferedBytes() > 0) this.#awaitAnswer(assignment);
      else this.#moveOn(dispatch.startOver(this.#state.delivery.have));
    });
  }

  /** A timer that is left to run out would keep its assignment in memory. */
  #awaitNoAnswer(): void {
    if (this.#answerBy !== null) this.#cancel(this.#answerBy);
    this.#answerBy = null;
  }

  /** One timer looks again when the deadline would be; each frame only moves `lastHeard`. */
  #watchSilence(): void {
    if (this.#state.kind !== "ready") return;
    const watched = this.#state.heartbeatMs;
    this.#after(this.#silenceLeftMs(watched), () => {
      // A new period has its own watch.
      if (this.#state.kind !== "ready" || this.#state.heartbeatMs !== watched) return;
      if (this.#silenceLeftMs(watched) > 0) return this.#watchSilence();
      this.#after(SILENCE_GRACE_MS, () => this.#endOfGrace(watched));
    });
  }

  #endOfGrace(watched: number): void {
    if (this.#state.kind !== "ready" || this.#state.heartbeatMs !== watched) return;
    if (this.#silenceLeftMs(watched) > 0) return this.#watchSilence();
    this.close(CLOSE.tooSlow, `nothing was heard for ${MISSED_BEATS} heartbeats`);
  }

  #silenceLeftMs(period: number): number {
    const deadline = Math.max(this.#lastHeardMs + MISSED_BEATS * period, this.#graceUntilMs);
    return Math.max(0, deadline - this.#options.clock.monotonicMs());
  }

  #send(message: ToAgent): void {
    this.#sendText(encodeToAgent(message));
  }

  #sendText(text: string): void {
    const { connection } = this.#options;
    if (connection.bufferedBytes() > MAX_BUFFERED_BYTES) {
      this.close(CLOSE.tooSlow, "it does not read what it is sent");
      return;
    }
    connection.send(text);
  }

  #onClose(code: number, reason: string): void {
    const before = this.#state;
    if (before.kind === "closed") return;
    this.#state = { kind: "closed" };
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    const node = before.kind === "awaiting-hello" ? null : before.hello.node;
    this.#options.log.info("connection closed", { node, from: this.#options.from, code, reason });
    this.#options.onClosed(this, before);
  }

  /** A timer that goes with the session. */
  #after(delayMs: number, fire: () => void): Timer {
    const timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      fire();
    });
    this.#timers.add(timer);
    return timer;
  }

  #cancel(timer: Timer): void {
    timer.cancel();
    this.#timers.delete(timer);
  }
}
