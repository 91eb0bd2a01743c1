// A node as other views name it.
import type { Node } from "../../core/world.ts";
import type { NodeRef } from "../schemas/common.ts";

export const nodeRef = (node: Node): NodeRef => ({ id: node.id, name: node.name });
