// Nodes: joining, showing, labelling, cordoning, forgetting.
import { positionSchema } from "@skerry/shared/model/assignment.ts";
import {
  installationIdSchema,
  nodeIdSchema,
  nodeNameSchema,
  publicKeySchema,
  workloadIdSchema,
} from "@skerry/shared/model/ids.ts";
import { conditionSchema, nodeFactsSchema, nodeFiguresSchema, portInUseSchema } from "@skerry/shared/model/node.ts";
import * as z from "zod";
import {
  afterSchema,
  flagSchema,
  labelKeySchema,
  labelsSchema,
  limitSchema,
  MAX_LABELS,
  nodeRefSchema,
  pageOf,
} from "./common.ts";
import { saidSchema } from "./wishes.ts";
import { workloadViewSchema } from "./workloads.ts";

export const availabilitySchema = z.enum(["active", "cordoned", "draining"]);

export const reachabilityViewSchema = z.object({
  /** awaited: this hub has just started and has not heard from it yet; nobody is judged before they had the time to come back. */
  kind: z.enum(["ready", "unreachable", "awaited"]),
  /** A link is open now. `ready` without one: it went away a moment ago and its lease still runs. */
  connected: z.boolean(),
  /** Since the last word; null: not heard since this hub started. */
  silentForMs: z.number().nullable(),
  /** In plain words. */
  reason: z.string(),
});
export type ReachabilityView = z.infer<typeof reachabilityViewSchema>;

/** pending: it waits for approval and is given nothing. frozen: two machines used its key, and neither is let in. */
export const standingSchema = z.enum(["member", "pending", "frozen"]);

/** Another key is on its way. asked: the node is to name one, once it is connected. named: it did, and has not connected with it yet. */
export const keyRollViewSchema = z.object({
  state: z.enum(["asked", "named"]),
  /** When it was asked for, by the hub's wall clock, and by whom. */
  atMs: z.number(),
  by: z.string(),
});

export const nodeSummarySchema = z.object({
  id: nodeIdSchema,
  name: nodeNameSchema,
  labels: z.record(z.string(), z.string()),
  availability: availabilitySchema,
  standing: standingSchema.default("member"),
  /** null: it is to keep the key that it has. */
  keyRoll: keyRollViewSchema.nullable().default(null),
  reachability: reachabilityViewSchema,
  joinedAtMs: z.number(),
  facts: z.nullable(nodeFactsSchema),
  /** Who set the availability, since when and why; null: nobody ever did. */
  availabilitySaid: saidSchema.nullable(),
  conditions: z.array(conditionSchema),
  /** `unknown`: of so many nothing is known now; they are neither good nor not. */
  workloads: z.object({ wanted: z.number().int(), good: z.number().int(), unknown: z.number().int().default(0) }),
});
export type NodeSummary = z.infer<typeof nodeSummarySchema>;

export const nodeViewSchema = nodeSummarySchema.extend({
  figures: z.nullable(nodeFiguresSchema),
  /** Set aside by reservations. */
  reserved: z.object({ memoryBytes: z.number(), nanoCpus: z.number() }),
  ports: z.array(portInUseSchema),
  /** The newest position given out; what the node said is durable there. */
  assigned: positionSchema,
  accepted: z.nullable(positionSchema),
  /** Set while the node refuses what it is given. */
  refusal: z.object({ reason: z.string(), message: z.string() }).nullable(),
  placements: z.array(workloadViewSchema),
  /** null: it is not being drained. */
  drain: z
    .object({
      /** Hub's wall clock; null: none. */
      deadlineAtMs: z.number().nullable(),
      /** Since when it has passed: what is left is stopped. */
      overSinceMs: z.number().nullable(),
      /** true: everything that may move has left. */
      done: z.boolean(),
      /** What is still placed here, and why. */
      stays: z.array(
        z.object({
          workload: workloadIdSchema,
          kind: z.enum(["global", "bound", "paused", "silent", "turn", "budget", "no-room", "next"]),
          why: z.string(),
          hint: z.string().nullable(),
        }),
      ),
      /** Placed elsewhere, and not yet gone from here. */
      leaving: z.array(z.string()),
    })
    .nullable(),
  seq: z.number().int(),
});
export type NodeView = z.infer<typeof nodeViewSchema>;

/** Id or name. */
export const nodeParams = z.strictObject({ node: z.union([nodeIdSchema, nodeNameSchema]) });
export const listNodesQuery = z.strictObject({ limit: limitSchema, after: afterSchema.optional() });
export const nodePageSchema = pageOf(nodeSummarySchema);
export type NodePage = z.infer<typeof nodePageSchema>;

export const changeNodeBodySchema = z.strictObject({
  setLabels: labelsSchema.default({}),
  unsetLabels: z.array(labelKeySchema).max(MAX_LABELS).default([]),
});
/** A request of its own, as it is another permission: labels decide what runs where, and who may see it. */
export const setAvailabilityBodySchema = z.strictObject({
  /** cordoned: takes nothing new and keeps what it has. draining: what may move is moved elsewhere, too. */
  availability: availabilitySchema,
  /** Why the availability is changed, in your own words. */
  reason: z.string().max(256).default(""),
  /** draining: after so long what could not move is stopped, until the node is active again. null: it runs on. */
  deadlineMs: z.number().int().min(0).nullable().default(null),
});
export const changedNodeSchema = z.object({
  node: nodeRefSchema,
  labels: z.record(z.string(), z.string()),
  availability: availabilitySchema,
  /** false: it was so already; nothing was written. */
  changed: z.boolean(),
  seq: z.number().int(),
});
export type ChangedNode = z.infer<typeof changedNodeSchema>;

export const removeNodeQuery = z.strictObject({ dryRun: flagSchema });
export const removedNodeSchema = z.object({
  node: nodeRefSchema,
  /** Nothing was changed; this is what would be. */
  dryRun: z.boolean(),
  /** Workloads that were placed on it. Its containers are not touched; the agent is told that it is no longer known. */
  workloads: z.number().int(),
  /** What is placed elsewhere because of it, and where; null: nowhere yet, and why. Global copies are in none of these: they end with it. */
  moves: z.array(z.object({ workload: workloadIdSchema, to: nodeRefSchema.nullable(), why: z.string() })),
  /** Volumes of its workloads, which stay on the machine. */
  volumesKept: z.array(z.string()),
  seq: z.number().int(),
});
export type RemovedNode = z.infer<typeof removedNodeSchema>;

export const standingViewSchema = z.object({
  node: nodeRefSchema,
  standing: standingSchema,
  /** false: it was so already; nothing was written. */
  changed: z.boolean(),
  seq: z.number().int(),
});
export type StandingView = z.infer<typeof standingViewSchema>;

export const keyRollAnswerSchema = z.object({
  node: nodeRefSchema,
  keyRoll: keyRollViewSchema,
  /** false: it was asked for already; nothing was written. */
  changed: z.boolean(),
  seq: z.number().int(),
});
export type KeyRollAnswer = z.infer<typeof keyRollAnswerSchema>;

/** Its key opens nothing any more. */
export const revokedNodeSchema = removedNodeSchema.extend({
  /** Secrets that it was given since it joined, by name: whoever has the machine may have them, so change them. */
  secrets: z.array(z.string()),
  /** How many more it was given, of apps that the caller does not see. */
  moreSecrets: z.number().int(),
});
export type RevokedNode = z.infer<typeof revokedNodeSchema>;

/** Peers are newer or older than this hub: unknown fields of a joining agent are let through unread. */
export const joinBodySchema = z.object({
  /** Ed25519, of a key that the node made and made durable before asking. Joining again with it gives the same node. */
  publicKey: publicKeySchema,
  name: nodeNameSchema,
  labels: labelsSchema.default({}),
  facts: z.nullable(nodeFactsSchema).default(null),
});
export const joinedSchema = z.object({
  node: nodeIdSchema,
  installation: installationIdSchema,
  name: nodeNameSchema,
  /** Ed25519: what the hub gives this node to run is signed with it, and the node takes nothing else. */
  hubKey: publicKeySchema,
});
export type Joined = z.infer<typeof joinedSchema>;
