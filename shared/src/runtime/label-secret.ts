// The secret under which an agent seals the labels of what it makes, derived from its node's first key. It says nothing of that key, and outlives it:
// containers keep their labels when the node goes over to another key.
import { createHmac } from "node:crypto";

/** 64 hex digits. */
export const labelSecretOf = (nodeKey: string): string =>
  createHmac("sha256", nodeKey).update("skerry label seal 1").digest("hex");
