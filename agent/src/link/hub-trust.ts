// What a join token that is given to a node that has joined changes: which key its hub may have. A person who gives one on the machine itself
// says by it "this is your hub's key"; the node stays who it is, and nothing that it runs is touched.
import type { JoinTokenText } from "@skerry/shared/protocol/join-token.ts";
import type { Identity } from "../ledger/ledger.ts";
import { addressProblem } from "./hub-socket.ts";

/** A node gets a new token once in years; an older one than these that still stands somewhere would be taken for new. */
const MAX_TOKENS_KNOWN = 16;

/**
 * The same object when nothing changes. A token that was taken before says nothing new, whatever its pin: it may stand in a unit file since
 * the machine was set up. One with which the hub's address could not be dialled is of another hub, and not taken.
 */
export function fitToken(identity: Identity, token: Pick<JoinTokenText, "pin" | "id"> | null): Identity {
  if (token === null || identity.tokens.includes(token.id)) return identity;
  const { pin, id } = token;
  const pins = pin === null ? [] : identity.pins.includes(pin) ? identity.pins : [pin];
  if (addressProblem({ hubUrl: identity.hubUrl, pins }) !== null) return identity;
  // Whether this hub ends TLS itself its first challenge tells, over a connection with that key: a proxy may have taken the key over.
  return { ...identity, pins, binding: "none", tokens: [...identity.tokens, id].slice(-MAX_TOKENS_KNOWN) };
}
