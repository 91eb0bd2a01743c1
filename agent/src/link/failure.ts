// Why there is no link, as a closed union: grouped by what a person must do, with words for `agent status`. A failed link never
// touches a container; it only decides when to try again.
import type { Connection } from "@skerry/shared/protocol/connection.ts";
import { CLOSE, PROTOCOL_MINIMUM, PROTOCOL_VERSION } from "@skerry/shared/protocol/version.ts";
import type { Identity } from "../ledger/ledger.ts";

export type LinkFailureKind =
  /** The hub's name does not resolve. */
  | "no-such-host"
  /** The machine answers, and nothing listens there. */
  | "refused"
  /** No way there, or no answer in time. */
  | "no-answer"
  /** Something answers that is not a hub: a captive portal, a proxy, another program. */
  | "wrong-server"
  /** Its key is none that is pinned here, or the address asks for something else than the pins. */
  | "wrong-key"
  /** A hub of another installation. */
  | "wrong-installation"
  | "not-authenticated"
  /** Somebody revoked this node's key on the hub. */
  | "revoked"
  /** Two machines used this node's key, and the hub lets neither in. */
  | "frozen"
  | "agent-too-old"
  | "hub-too-old"
  /** A newer connection with this node's identity took over. */
  | "superseded"
  /** The hub said that it goes, and when to come back. */
  | "goodbye"
  /** The connection stood, and nothing came any more. */
  | "silent"
  /** A frame that cannot be understood. */
  | "protocol"
  | "broken-off";

export interface LinkFailure {
  readonly kind: LinkFailureKind;
  /** One plain sentence: what happened, and what to do if there is something to do. */
  readonly message: string;
}

/** Opens a connection or rejects with DialError: to the hub's address, if what answers there has one of these keys. */
export type Dial = (hub: Pick<Identity, "hubUrl" | "pins">) => Promise<Connection>;

export class DialError extends Error {
  override name = "DialError";
  readonly failure: LinkFailure;
  constructor(failure: LinkFailure, options?: { cause?: unknown }) {
    super(failure.message, options);
    this.failure = failure;
  }
}

/** These do not pass by themselves: trying every second would only be noise for both sides. */
const LASTING: ReadonlySet<LinkFailureKind> = new Set([
  "wrong-installation",
  "not-authenticated",
  "revoked",
  "frozen",
  "agent-too-old",
  "hub-too-old",
  "superseded",
]);

export const isLasting = (failure: LinkFailure): boolean => LASTING.has(failure.kind);

/** What a closed connection means. `reason` was written by the other side. */
export function closeFailure(code: number, reason: string): LinkFailure {
  const said = reason === "" ? "" : ` (${reason.slice(0, 200)})`;
  switch (code) {
    case CLOSE.notAuthenticated:
      return {
        kind: "not-authenticated",
        message: `the hub does not accept this node's key${said}: was the node removed there? If so, join again with a new token`,
      };
    case CLOSE.revoked:
      return {
        kind: "revoked",
        message: `this node's key was revoked on the hub${said}, and never opens it again: its containers run on and nothing new comes; to use this machine, remove the agent's data folder and join it anew`,
      };
    case CLOSE.frozen:
      return {
        kind: "frozen",
        message: `another machine used this node's key, so the hub lets neither in${said}: what runs here carries on; was this disk copied? On the hub: skerry node unfreeze once the other is off, or skerry node revoke`,
      };
    case CLOSE.versionTooOld:
      return {
        kind: "agent-too-old",
        message: `this agent speaks protocol ${PROTOCOL_VERSION}, and the hub needs a newer one${said}: upgrade the agent`,
      };
    case CLOSE.versionTooNew:
      return {
        kind: "hub-too-old",
        message: `this agent speaks protocol ${PROTOCOL_MINIMUM} and newer, and the hub only older ones${said}: upgrade the hub`,
      };
    case CLOSE.supersededByNewerConnection:
      return {
        kind: "superseded",
        message: `another machine connected to the hub as this node${said}: if its disk was copied, remove one of the two and join it anew`,
      };
    case CLOSE.protocolError:
      return { kind: "protocol", message: `the hub did not understand this agent${said}` };
    case CLOSE.goingAway:
      return { kind: "goodbye", message: `the hub is going away for a while${said}` };
    case CLOSE.tooSlow:
      return { kind: "silent", message: `the hub gave the connection up${said}` };
    default:
      return { kind: "broken-off", message: `the connection to the hub broke off (code ${code})${said}` };
  }
}
