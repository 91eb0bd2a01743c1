// Gives a node what its assignment names, sealed to that node alone. What is not named there is refused, whatever the node asks for.
import type { NodeId, PublicKey } from "@skerry/shared/model/ids.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import { boxContext, valueKey, valueWords } from "@skerry/shared/model/value-names.ts";
import { valueText } from "@skerry/shared/protocol/hub-word.ts";
import { boxKeyText } from "@skerry/shared/protocol/proof.ts";
import type { ToAgent } from "@skerry/shared/protocol/to-agent.ts";
import type { NeedValues } from "@skerry/shared/protocol/values.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { sealBox } from "@skerry/shared/runtime/sealed-box.ts";
import { isSignedBy } from "@skerry/shared/runtime/signature.ts";
import { valuesOfNode } from "../core/value.ts";
import type { World } from "../core/world.ts";
import { KeyringError } from "../keyring/keyring.ts";
import { StoreError } from "../store/store.ts";
import type { Contents } from "./contents.ts";

export interface GiveParts {
  readonly world: World;
  readonly contents: Contents;
  /** Those that it may show; none: there is no such node. */
  readonly publicKeys: (node: NodeId) => readonly PublicKey[];
  /** By the hub's signing key. */
  readonly sign: (text: string) => string;
  /** Durable before it goes out; throws StoreError. */
  readonly note: (node: NodeId, value: ValueRef) => void;
  readonly random: Random;
  readonly log: Log;
}

/** The answers to one ask, in its order. */
export type GiveValues = (node: NodeId, asked: NeedValues) => readonly ToAgent[];

export function giveValues(parts: GiveParts): GiveValues {
  return (node, { boxKey, signature, wanted }) => {
    const { world, publicKeys } = parts;
    const text = boxKeyText({ installation: world.installation, node }, boxKey);
    if (!publicKeys(node).some((key) => isSignedBy(key, text, signature)))
      return wanted.map((ref) => refused(ref, "the key to seal it for is not signed by this node"));
    const named = valuesOfNode(world, node);
    return wanted.map((ref) =>
      named.has(valueKey(ref))
        ? given(parts, node, ref, boxKey)
        : refused(ref, "this node's assignment does not name it"),
    );
  };
}

const refused = (ref: ValueRef, reason: string): ToAgent => ({ type: "value-refused", ref, reason });

function given(parts: GiveParts, node: NodeId, ref: ValueRef, boxKey: string): ToAgent {
  const { world, contents, sign, random, log } = parts;
  try {
    const content = contents.read(ref);
    if (content === null) return refused(ref, "the hub does not keep this version any more: apply the app again");
    const box = sealBox(boxKey, boxContext(world.installation, node, ref), content, random);
    content.fill(0);
    if (box === null) return refused(ref, "nothing can be sealed for this node's key");
    noteGiven(parts, node, ref);
    const signer = { installation: world.installation, node };
    return { type: "value", ref, box, signature: sign(valueText(signer, ref, box)) };
  } catch (error) {
    if (!(error instanceof KeyringError)) throw error;
    log.error("a value cannot be given to a node", { node, value: valueWords(ref), reason: error.message });
    return refused(ref, "the hub has lost the key to it: put back its file secret-keys, or set it again");
  }
}

/** A hub whose disk is full still gives nodes what they need to run: what is missing in the list then is said in the log. */
function noteGiven({ note, log }: GiveParts, node: NodeId, ref: ValueRef): void {
  try {
    note(node, ref);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    log.error("that a node was given a value could not be stored", { node, value: valueWords(ref) });
  }
}
