// The control loop, as the link sees it: where what nodes say goes, and from where news comes. Types only.
import type { NodeId, PublicKey } from "@skerry/shared/model/ids.ts";
import type { Hello, ToHub } from "@skerry/shared/protocol/to-hub.ts";
import type { NeedValues } from "@skerry/shared/protocol/values.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Change, HubEvent } from "../core/change.ts";
import type { World } from "../core/world.ts";

/**
 * What goes through the control loop. Asking for values does not, for it changes nothing; that pins are kept is of the link's own, see
 * session.
 */
export type Frame = Exclude<ToHub, Hello | NeedValues | { readonly type: "pins-kept" }>;

/** What became of a node's input. `lost`: the store refused it; the node must say it again (on a new connection) once storing works. */
export type InputResult =
  | { readonly kind: "done" }
  | { readonly kind: "lost" }
  | { readonly kind: "overloaded" }
  | { readonly kind: "invalid"; readonly message: string };

export type StorageState =
  | { readonly kind: "ok" }
  | { readonly kind: "full"; readonly sinceMs: Millis }
  | { readonly kind: "broken"; readonly message: string };

export type Listener = (changes: readonly Change[]) => void;
/** Whether what the node has is what this World would send at the same position; null: another position. */
export type HashMatches = (world: World) => boolean | null;

export interface Hub {
  /** Read it; only the loop moves it. */
  readonly world: World;
  /** A node whose signature was checked, and by which key. `done` is called once, when it is durable or will not be. */
  greet(hello: Hello, key: PublicKey, hashMatches: HashMatches, done: (result: InputResult) => void): void;
  /** A frame of a node that was greeted. In order per node. */
  receive(node: NodeId, frame: Frame, done: (result: InputResult) => void): void;
  disconnected(node: NodeId): void;
  /** An event that the link noticed (an assignment that is too large). */
  note(event: HubEvent): void;
  /** Two machines use the node's key: both are cut off once that is durable. */
  freeze(node: NodeId): void;
  /** Called after changes are durable and in the World. Returns how to stop listening. */
  onCommitted(listener: Listener): () => void;
  /** Called when storing works again, or no longer does. Returns how to stop listening. */
  onStorage(listener: (state: StorageState) => void): () => void;
}
