// What the HTTP door needs of the hub behind it. Built by main.ts and by tests; nothing in http/ reaches further than this.
import type { RequestListener, Server, ServerOptions } from "node:http";
import type { NodeId, PublicKey } from "@skerry/shared/model/ids.ts";
import type { LogAsk, LogItem } from "@skerry/shared/protocol/streams.ts";
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import type { ControlLoop } from "../control-loop.ts";
import type { Keyring } from "../keyring/keyring.ts";
import type { Store } from "../store/store.ts";
import type { Cost } from "./login/passwords.ts";
import type { SecretBox } from "./login/user-key.ts";

/** Where logs come from. */
export interface LogSource {
  isHeard(node: NodeId): boolean;
  /** Rejects with an error whose message goes on after the node's name ("does not answer"). */
  read(node: NodeId, ask: LogAsk, signal: AbortSignal): AsyncIterable<LogItem>;
}

/** A key that the hub made itself. */
export interface OwnHubKey {
  /** Its pin; the same one until it was switched to. Durable when this returns. `announce` hears of a new one first, and may throw. */
  prepareNext(announce: (pin: string) => void): string;
  /** New connections meet it when this resolves. */
  switchToNext(): Promise<void>;
  /** The pins to all nodes that are there. */
  tell(): void;
}

export interface HubKeyControl {
  readonly kind: "own" | "files" | "proxy" | "plain";
  readonly own: OwnHubKey | null;
  /** The node has said so in this run of the hub. */
  isKnownTo(node: NodeId, pin: string): boolean;
}

export interface HttpDeps {
  /** Changes go through it; its World is read. */
  readonly loop: ControlLoop;
  /** Queries of history only. */
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What secrets are sealed with at rest. */
  readonly keyring: Keyring;
  readonly logs: LogSource;
  /** Of the hub's key and its next one, for join tokens; none: it has no TLS. */
  readonly pins: () => readonly string[];
  readonly hubKey: HubKeyControl;
  /** Ends TLS on the port; null: plain HTTP. */
  readonly secure: ((options: ServerOptions, handler: RequestListener) => Server) | null;
  /** Of "ska1.…". */
  readonly adminTokenHash: string;
  /** By which nodes know what this hub gives them. */
  readonly signingKey: PublicKey;
  /** Seals the shared secrets of second factors. */
  readonly userSecrets: SecretBox;
  /** What hashing a password costs. */
  readonly passwordCost: Cost;
  readonly version: string;
  /** true: the hub was told to stop; reads are answered while connections drain. */
  readonly stopping: () => boolean;
}
