// Logs: what is asked, and the JSON lines of the answer. Stamps are those of the node's own clock: for showing, never for comparing nodes.
import { serviceNameSchema, type WorkloadId } from "@skerry/shared/model/ids.ts";
import { type LogItem, MAX_LOG_AGE_MS, MAX_LOG_TAIL } from "@skerry/shared/protocol/streams.ts";
import * as z from "zod";
import { flagSchema, type NodeRef } from "./common.ts";

export const logsQuery = z.strictObject({
  service: z.optional(serviceNameSchema),
  /** A copy's number; for a copy that is known by its node, the node's id or name. */
  slot: z.string().min(1).max(63).optional(),
  /** true: goes on with what they write. */
  follow: flagSchema,
  /** So many lines from the end of each; left out: all. */
  tail: z.coerce.number().int().min(0).max(MAX_LOG_TAIL).optional(),
  /** Not older than this, by each node's own clock. */
  sinceMs: z.coerce.number().int().min(0).max(MAX_LOG_AGE_MS).optional(),
});

interface Whose {
  readonly workload: WorkloadId;
  /** null: it runs nowhere. */
  readonly node: NodeRef | null;
}
/** One line of the answer; empty lines keep the connection alive. `absent`: why the logs of this copy are not here. */
export type LogNews = (LogItem | { readonly kind: "absent"; readonly text: string }) & Whose;
