// A node as the user names it: by name or id. Wrong words are told here, before the hub is asked.
import { type NodeId, type NodeName, nodeIdSchema, nodeNameSchema } from "@skerry/shared/model/ids.ts";
import { usage } from "./failure.ts";

export function nodeRef(text: string): NodeId | NodeName {
  const id = nodeIdSchema.safeParse(text);
  if (id.success) return id.data;
  const name = nodeNameSchema.safeParse(text);
  if (name.success) return name.data;
  throw usage(`${JSON.stringify(text)} is not a node's name or id.`, "skerry nodes lists them.");
}
