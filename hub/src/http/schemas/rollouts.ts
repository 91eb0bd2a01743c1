// Rollouts: how far an app's newest revision has got, what each copy waits for, what became of older ones, and how to steer.
import { appNameSchema, revisionSchema, serviceNameSchema, workloadIdSchema } from "@skerry/shared/model/ids.ts";
import * as z from "zod";
import { nodeRefSchema } from "./common.ts";

/** As in the store: one state at a time. */
export const rolloutStateSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("progressing") }),
  z.object({ kind: z.literal("paused"), by: z.string(), reason: z.string(), atMs: z.number() }),
  z.object({ kind: z.literal("done"), atMs: z.number() }),
  /** `next`: the revision it was rolled back to; null: none. */
  z.object({ kind: z.literal("failed"), reason: z.string(), next: z.nullable(revisionSchema), atMs: z.number() }),
  z.object({ kind: z.literal("superseded"), next: revisionSchema, atMs: z.number() }),
]);

/** What is known of every rollout, the old ones too. */
export const rolloutSummarySchema = z.object({
  app: appNameSchema,
  revision: revisionSchema,
  /** `first`: nothing good stood before. */
  kind: z.enum(["first", "update", "rollback"]),
  /** The last good revision when it began; null: none. */
  from: z.nullable(revisionSchema),
  by: z.string(),
  /** "applied", "undo", "revision 4 failed: …". */
  reason: z.string(),
  startedAtMs: z.number(),
  state: rolloutStateSchema,
});
export type RolloutSummary = z.infer<typeof rolloutSummarySchema>;

/**
 * pending: its turn has not come. open: let through, and the node has not judged it yet. passed, failed: the node's judgement.
 * waiting: its node is not heard from, or it stands stopped; it neither passes nor fails, and gets the newest revision later.
 */
export const rolloutSlotSchema = z.object({
  workload: workloadIdSchema,
  /** null: no node takes it. */
  node: z.nullable(nodeRefSchema),
  state: z.enum(["pending", "open", "passed", "failed", "waiting"]),
  /** The revision it is at, by the hub's will. */
  revision: revisionSchema,
  /** What it waits for, or why it failed, in plain words; "" when there is nothing to say. */
  reason: z.string(),
});
export type RolloutSlot = z.infer<typeof rolloutSlotSchema>;

const slotCountsSchema = z.object({
  total: z.number().int(),
  pending: z.number().int(),
  open: z.number().int(),
  passed: z.number().int(),
  failed: z.number().int(),
  waiting: z.number().int(),
});

export const rolloutServiceSchema = z.object({
  service: serviceNameSchema,
  /** Batches let through so far; the canary's is the first. */
  batch: z.number().int(),
  canary: z.enum(["none", "open", "promoted"]),
  /** What the service as a whole waits for: a batch, a delay, promotion, a budget; "" when it is through. */
  reason: z.string(),
  counts: slotCountsSchema,
  /** Those that failed first, then open, waiting, pending, passed; of a large service only some. `more`: how many are left out. */
  slots: z.array(rolloutSlotSchema),
  more: z.number().int(),
});
export type RolloutService = z.infer<typeof rolloutServiceSchema>;

/** In the view of an app: how its newest revision gets on. */
export const rolloutBriefSchema = rolloutSummarySchema.extend({
  /** The state in plain words, and what it waits for. */
  summary: z.string(),
  /** true: nothing more happens before somebody says `rollout resume`: it is paused, or its canaries passed and promote only so. */
  awaitsResume: z.boolean(),
  /** true: nothing more happens before somebody says `start`: all copies that are left stand stopped. */
  awaitsStart: z.boolean(),
  counts: slotCountsSchema,
});
export type RolloutBrief = z.infer<typeof rolloutBriefSchema>;

export const rolloutViewSchema = rolloutBriefSchema.extend({
  /** Only services that had something to change. */
  services: z.array(rolloutServiceSchema),
  seq: z.number().int(),
});
export type RolloutView = z.infer<typeof rolloutViewSchema>;

/** Newest first: as many as are kept. */
export const rolloutListSchema = z.object({ items: z.array(rolloutSummarySchema), seq: z.number().int() });

const reasonSchema = z.string().max(256).default("");
export const pauseRolloutBodySchema = z.strictObject({ reason: reasonSchema });
export const resumeRolloutBodySchema = z.strictObject({});
/** `to`: null goes back to the last good revision before this one. */
export const undoRolloutBodySchema = z.strictObject({
  to: z.nullable(revisionSchema).default(null),
  reason: reasonSchema,
});

export const rolloutChangedSchema = z.object({
  app: appNameSchema,
  /** Of the rollout that was changed, or that an undo began. */
  revision: revisionSchema,
  /** undo: the older revision whose content it has; null otherwise. */
  sameAs: z.nullable(revisionSchema),
  /** false: it was so already. */
  changed: z.boolean(),
  seq: z.number().int(),
});
export type RolloutChanged = z.infer<typeof rolloutChangedSchema>;
