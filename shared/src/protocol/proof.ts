// What a node signs to show who it is: one text for each place, so that a signature for one is worth nothing in another. Both sides build it here.
import type { InstallationId, NodeId, PublicKey } from "../model/ids.ts";

/** Who signs, and for whom: another installation that relays a challenge gets what it cannot use here. */
export interface Signer {
  readonly installation: InstallationId;
  readonly node: NodeId;
}

/** In place of a binding where a proxy ends TLS before the hub, or where there is none. */
export const UNBOUND = "none";

/** `nonce`: of `challenge`, new on each connection. `binding`: of the connection, see binding.ts; null: none. */
export const helloText = ({ installation, node }: Signer, nonce: string, binding: string | null): string =>
  `skerry hello 3\n${installation}\n${node}\n${nonce}\n${binding ?? UNBOUND}`;

/** `ticket`: of `open-stream`, good for one dial. `binding`: of the connection that is dialled. */
export const streamText = ({ installation, node }: Signer, ticket: string, binding: string | null): string =>
  `skerry stream 3\n${installation}\n${node}\n${ticket}\n${binding ?? UNBOUND}`;

/**
 * Signed by the node's key and by the one that is to take its place, so that neither somebody in between nor one who has only either can name
 * another. `nonce`, `binding`: as in hello.
 */
export const nextKeyText = (
  { installation, node }: Signer,
  { from, to }: { readonly from: PublicKey; readonly to: PublicKey },
  nonce: string,
  binding: string | null,
): string => `skerry next key 3\n${installation}\n${node}\n${nonce}\n${binding ?? UNBOUND}\n${from}\n${to}`;

/** `boxKey`: the public key to which values for this node are sealed. It stays as long as the node's own key. */
export const boxKeyText = ({ installation, node }: Signer, boxKey: string): string =>
  `skerry box key 3\n${installation}\n${node}\n${boxKey}`;
