// All agents' connections: who may come in, which of two connections of one node counts, and who gets told what after a commit.
// It must never send to a node what is not durable: it listens to commits and to nothing else.
import type { NodeId, PublicKey } from "@skerry/shared/model/ids.ts";
import type { Connection } from "@skerry/shared/protocol/connection.ts";
import { helloText } from "@skerry/shared/protocol/proof.ts";
import type { Hello } from "@skerry/shared/protocol/to-hub.ts";
import { CLOSE, PROTOCOL_MINIMUM, PROTOCOL_VERSION } from "@skerry/shared/protocol/version.ts";
import type { Clock, Millis, Timer } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import type { Change, RevokedKey } from "../core/change.ts";
import { keysTaken } from "../core/key-roll.ts";
import { isSignedByNode, signingKeyOf } from "./authenticate.ts";
import type { Hub, StorageState } from "./hub.ts";
import {
  MAX_AWAITING_HELLO,
  MAX_AWAITING_HELLO_EACH,
  MAX_CONNECTIONS,
  OFFERS_PER_TURN,
  RECONNECT_WINDOW_MINIMUM_MS,
  RECONNECTS_PER_SECOND,
} from "./limits.ts";
import { Session, type SessionOptions, type SessionState } from "./session.ts";

const NONCE_BYTES = 32;
/** Of the keys that a node had, so many are known again when they are shown, the newest first: each costs a check of a signature. */
const MAX_FORMER_KEYS_CHECKED = 8;
/** What a machine said before it was started anew is read within this, also on a slow link: what comes later was said since. */
const LATE_FRAME_MS = 2_000;

export interface LinkServerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly hub: Hub;
  readonly random: Random;
  /** As it is stored: the next one, when it has named one, is in the World. */
  readonly publicKey: (node: NodeId) => PublicKey | null;
  /** Keys that it had, revoked or replaced. */
  readonly revokedKeys: (node: NodeId) => readonly RevokedKey[];
  /** By the hub's signing key: what nodes apply is signed by it. */
  readonly sign: (text: string) => string;
  readonly hubVersion: string;
  /** Without it no value is given to anybody. */
  readonly values?: SessionOptions["values"];
  /** Of the hub's key and its next one; absent: it has no TLS. */
  readonly pins?: () => readonly string[];
  /** These are in that node's ledger. */
  readonly onPinsKept?: (node: NodeId, pins: readonly string[]) => void;
  /** The node's connection ended, and no newer one took its place. */
  readonly onGone?: (node: NodeId) => void;
  /** Of this side; tests set others. */
  readonly versions?: { readonly version: number; readonly minimum: number };
}

/** A second connection of a node, with another boot id, while the first one answers. */
interface Rival {
  readonly bootId: string;
  readonly atMs: Millis;
}

export function createLinkServer(options: LinkServerOptions): LinkServer {
  return new LinkServer(options);
}

export class LinkServer {
  readonly #options: LinkServerOptions;
  readonly #sessions = new Set<Session>();
  readonly #byNode = new Map<NodeId, Session>();
  readonly #rivals = new Map<Session, Rival>();
  /** Nodes of which something moved: offered in turns. */
  readonly #moved = new Set<NodeId>();
  readonly #stopListening: (() => void)[];
  /** The number of the newest connection that each node was let in by, also when that has ended. */
  readonly #newest = new Map<NodeId, number>();
  /** Of these it was told that somebody showed a key that they have given up. */
  readonly #formerShown = new Set<NodeId>();
  #attached = 0;
  #awaiting = 0;
  /** Of them so many by address; none is kept with 0. */
  readonly #awaitingFrom = new Map<string, number>();
  #turn: Timer | null = null;
  #stopping = false;

  constructor(options: LinkServerOptions) {
    this.#options = options;
    this.#stopListening = [
      options.hub.onCommitted((changes) => this.#onCommitted(changes)),
      options.hub.onStorage((state) => this.#onStorage(state)),
    ];
  }

  /** No further connection is taken just now from this address. */
  isFull(from: string): boolean {
    return (
      this.#sessions.size >= MAX_CONNECTIONS ||
      this.#awaiting >= MAX_AWAITING_HELLO ||
      (this.#awaitingFrom.get(from) ?? 0) >= MAX_AWAITING_HELLO_EACH
    );
  }

  /** Takes a connection that was just opened. `from`: the remote address, for the log. */
  attach(connection: Connection, from: string): void {
    if (this.#stopping || this.isFull(from)) {
      connection.listen({ onFrame() {}, onClose() {} });
      connection.close(
        CLOSE.goingAway,
        this.#stopping ? "the hub is stopping" : "too many connections; come back later",
      );
      return;
    }
    const { clock, random, log, hub, hubVersion, sign } = this.#options;
    this.#countAwaiting(from, 1);
    this.#attached += 1;
    const session = new Session({
      clock,
      log,
      hub,
      connection,
      from,
      hubVersion,
      sign,
      number: this.#attached,
      version: this.#versions().version,
      nonce: random.hex(NONCE_BYTES),
      pins: () => this.#options.pins?.() ?? [],
      onPinsKept: (node, pins) => this.#options.onPinsKept?.(node, pins),
      onHello: (of, hello) => this.#onHello(of, hello),
      onClosed: (of, before) => this.#onClosed(of, before),
      values: this.#options.values,
    });
    // Added after the fact: a connection may close while it is being listened to.
    if (session.state.kind !== "closed") this.#sessions.add(session);
  }

  /** Nodes with a connection that said who they are. */
  connected(): number {
    return this.#byNode.size;
  }

  connections(): number {
    return this.#sessions.size;
  }

  /** To all nodes that are there: the hub's keys changed. */
  tellPins(): void {
    for (const session of this.#byNode.values()) session.tellPins();
  }

  isConnected(node: NodeId): boolean {
    return this.#byNode.has(node);
  }

  /** false: the node is not connected. */
  openStream(node: NodeId, ticket: string): boolean {
    return this.#byNode.get(node)?.openStream(ticket) ?? false;
  }

  /** Says goodbye to all, with a window that spreads their return. Closing the sockets is the listener's business. */
  stop(): void {
    this.#stopping = true;
    for (const stop of this.#stopListening) stop();
    this.#turn?.cancel();
    const windowMs = this.#reconnectWindowMs();
    for (const session of [...this.#sessions]) session.goodbye("the hub is stopping", windowMs);
  }

  #countAwaiting(from: string, by: 1 | -1): void {
    this.#awaiting += by;
    const left = (this.#awaitingFrom.get(from) ?? 0) + by;
    if (left === 0) this.#awaitingFrom.delete(from);
    else this.#awaitingFrom.set(from, left);
  }

  #versions(): { readonly version: number; readonly minimum: number } {
    return this.#options.versions ?? { version: PROTOCOL_VERSION, minimum: PROTOCOL_MINIMUM };
  }

  #reconnectWindowMs(): number {
    return Math.max(RECONNECT_WINDOW_MINIMUM_MS, (this.#sessions.size / RECONNECTS_PER_SECOND) * 1_000);
  }

  #onHello(session: Session, hello: Hello): void {
    const { version, minimum } = this.#versions();
    if (hello.protocol < minimum) {
      const message = `this hub speaks protocol ${minimum} to ${version}, the agent ${hello.protocol}: update the agent`;
      return session.close(CLOSE.versionTooOld, message);
    }
    if (hello.protocolMinimum > version) {
      const message = `this hub speaks protocol ${minimum} to ${version}, the agent at least ${hello.protocolMinimum}: update the hub`;
      return session.close(CLOSE.versionTooNew, message);
    }
    const { node, signature } = hello;
    const text = helloText(
      { installation: this.#options.hub.world.installation, node },
      session.nonce,
      session.binding,
    );
    const taken = keysTaken(this.#options.hub.world.nodes.get(node), this.#options.publicKey(node));
    const key = signingKeyOf(taken, text, signature);
    if (key === null) return this.#refuseStranger(session, node, text, signature);
    if (this.#options.hub.world.nodes.get(node)?.standing === "frozen")
      return session.close(CLOSE.frozen, "this node is frozen here");
    // Its agent has connected anew since, and this hello was late on its way: what it shows is old, and no sign of another machine.
    if (session.number < (this.#newest.get(node) ?? 0))
      return session.goodbye("a newer connection of this node was there first", 0);
    const older = this.#byNode.get(hello.node);
    if (older !== undefined && !this.#supersede(older, session, hello)) return;
    this.#countAwaiting(session.from, -1);
    this.#options.onPinsKept?.(hello.node, hello.pins ?? []);
    this.#byNode.set(hello.node, session);
    this.#newest.set(hello.node, session.number);
    session.greet(hello, key);
  }

  /** Who holds a key that was revoked or replaced may know that it is that; nobody else learns anything. */
  #refuseStranger(session: Session, node: NodeId, text: string, signature: string | undefined): void {
    const newest = [...this.#options.revokedKeys(node)].sort((a, b) => b.revokedAtMs - a.revokedAtMs);
    const found = newest
      .slice(0, MAX_FORMER_KEYS_CHECKED)
      .find(({ publicKey }) => isSignedByNode(publicKey, text, signature));
    if (found?.why === "replaced") {
      this.#noteFormerShown(session, node);
      return session.close(CLOSE.revoked, "the node has another key since: was its disk copied, or put back?");
    }
    if (found !== undefined) {
      this.#options.log.warn("a revoked key was tried", { node });
      return session.close(CLOSE.revoked, "it was revoked");
    }
    this.#options.log.warn("a connection was not authenticated", { node });
    session.close(CLOSE.notAuthenticated, "this hub does not know this node with this key; join it again");
  }

  /** An event tells of it once in a run of the hub: whoever has a key that is worth nothing must not fill the log. */
  #noteFormerShown({ from }: Session, node: NodeId): void {
    const { log, hub } = this.#options;
    log.warn("a key that its node has given up was tried", { node, from });
    if (this.#formerShown.has(node) || !hub.world.nodes.has(node)) return;
    this.#formerShown.add(node);
    hub.note({ kind: "former-key-shown", node, from });
  }

  /**
   * The same boot: the agent came back before we saw that it was gone. Another boot: either the machine was started anew and the older
   * connection is a dead end, or somebody copied its disk. An older one that still answers has the better claim.
   */
  #supersede(older: Session, newer: Session, hello: Hello): boolean {
    const rival = this.#rivals.get(older);
    const rebooted = older.hello?.bootId !== hello.bootId;
    if (!rebooted || !older.isAnswering()) {
      this.#byNode.delete(hello.node);
      older.close(CLOSE.supersededByNewerConnection, "a newer connection of this node took its place");
      return true;
    }
    if (rival?.bootId === hello.bootId && older.lastHeardMs > rival.atMs + LATE_FRAME_MS) {
      this.#options.log.error("two machines use one node's key", { node: hello.node });
      this.#options.hub.freeze(hello.node);
      newer.close(CLOSE.frozen, "another machine is connected with this key");
      return false;
    }
    const again = rival?.bootId === hello.bootId ? rival : null;
    this.#rivals.set(older, again ?? { bootId: hello.bootId, atMs: this.#options.clock.monotonicMs() });
    older.probe();
    newer.goodbye("an older connection of this node must fall silent first", older.answeringForMs());
    return false;
  }

  #onClosed(session: Session, before: SessionState): void {
    this.#sessions.delete(session);
    this.#rivals.delete(session);
    if (before.kind === "awaiting-hello") {
      this.#countAwaiting(session.from, -1);
      return;
    }
    if (before.kind === "closed") return;
    const { node } = before.hello;
    // A superseded one was taken out before; its node is not disconnected.
    if (this.#byNode.get(node) !== session) return;
    this.#byNode.delete(node);
    this.#options.onGone?.(node);
    this.#options.hub.disconnected(node);
  }

  #onCommitted(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === "node-set" && this.#byNode.has(change.node.id)) this.#moved.add(change.node.id);
      if (change.kind === "node-set" && change.node.standing === "frozen")
        this.#byNode.get(change.node.id)?.close(CLOSE.frozen, "two machines use this key");
      if (change.kind === "key-revoked" && change.key.why === "revoked")
        this.#byNode.get(change.key.node)?.close(CLOSE.revoked, "it was revoked");
      if (change.kind === "node-removed") {
        this.#newest.delete(change.node);
        this.#formerShown.delete(change.node);
        this.#byNode.get(change.node)?.close(CLOSE.notAuthenticated, "this node was removed from the hub");
      }
    }
    this.#offerSoon();
  }

  #offerSoon(): void {
    if (this.#turn !== null || this.#moved.size === 0 || this.#stopping) return;
    this.#turn = this.#options.clock.setTimer(0, () => {
      this.#turn = null;
      for (const node of [...this.#moved].slice(0, OFFERS_PER_TURN)) {
        this.#moved.delete(node);
        this.#byNode.get(node)?.offer();
      }
      this.#offerSoon();
    });
  }

  /** What was lost while storing did not work is said again on a new connection. */
  #onStorage(state: StorageState): void {
    if (state.kind !== "ok") return;
    const lossy = [...this.#sessions].filter((session) => session.lossy);
    const windowMs = Math.max(RECONNECT_WINDOW_MINIMUM_MS, (lossy.length / RECONNECTS_PER_SECOND) * 1_000);
    for (const session of lossy) session.goodbye("the hub can store again what it could not", windowMs);
  }
}
