// What the HTTP door needs of the hub behind it. Built by main.ts and by tests; nothing in http/ reaches further than this.
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
