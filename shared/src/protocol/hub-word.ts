// What the hub signs with its signing key besides assignments: what a node keeps, opens or becomes by the hub's word alone. Whoever has only the
// TLS key, or stands where TLS ends, can say none of it. One text for each place, so that no signature counts in another.
import type { PublicKey } from "../model/ids.ts";
import type { Mark } from "../model/mark.ts";
import type { ValueRef } from "../model/value.ts";
import { boxContext } from "../model/value-names.ts";
import { sha256Hex } from "../runtime/hash.ts";
import type { Signer } from "./proof.ts";

/** Good on one connection and once: `fresh` is the node's own, of its hello; `count`: how many of these came on it, this one included. */
export interface WordPlace {
  readonly fresh: string;
  readonly count: number;
}

/** What `welcome` and `pins` tell a node to keep; null: nothing of that kind. */
export const keptText = (
  { installation, node }: Signer,
  { fresh, count }: WordPlace,
  pins: readonly string[] | null,
  mark: Mark | null,
): string =>
  `skerry kept 3\n${installation}\n${node}\n${fresh}\n${count}\n${pins?.join(",") ?? "-"}\n${mark === null ? "-" : `${mark.count} ${mark.value}`}`;

/** `fresh`: of the connection on which it is said. `ticket`: of `open-stream`. */
export const openStreamText = ({ installation, node }: Signer, fresh: string, ticket: string): string =>
  `skerry open stream 3\n${installation}\n${node}\n${fresh}\n${ticket}`;

/** `box`: as it is sent and kept. Anybody can seal one to a node; only the hub signs it. */
export const valueText = ({ installation, node }: Signer, ref: ValueRef, box: string): string =>
  `skerry value 3\n${boxContext(installation, node, ref)}\n${sha256Hex(box)}`;

/** `from`: the key that is to be given up; said again after that, it means nothing. */
export const rollKeyText = ({ installation, node }: Signer, from: PublicKey): string =>
  `skerry roll key 3\n${installation}\n${node}\n${from}`;

/** The hub has `to` durably, and takes it in place of `from` from now on. */
export const keyTakenText = ({ installation, node }: Signer, from: PublicKey, to: PublicKey): string =>
  `skerry key taken 3\n${installation}\n${node}\n${from}\n${to}`;
