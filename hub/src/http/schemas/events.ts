// Events and the watch: what happened, in words and as data.
import { appNameSchema, workloadIdSchema } from "@skerry/shared/model/ids.ts";
import * as z from "zod";
import { DEFAULT_PAGE, MAX_PAGE, nodeRefSchema } from "./common.ts";
import { reachabilityViewSchema } from "./nodes.ts";
import { workloadViewSchema } from "./workloads.ts";

export const eventLevelSchema = z.enum(["info", "warning", "error"]);

const eventFields = {
  /** The hub's wall clock at receipt. */
  atMs: z.number(),
  level: eventLevelSchema,
  source: z.enum(["hub", "node"]),
  /** "container-exited", "app-applied", … */
  kind: z.string(),
  /** null: of no node, or of one that is no longer known. */
  node: nodeRefSchema.nullable(),
  app: z.nullable(appNameSchema),
  workload: z.nullable(workloadIdSchema),
  /** One plain sentence without the subject. */
  text: z.string(),
};
/** As the watch tells it: it has no id there; the watch's own position orders it. */
export const watchedEventSchema = z.object(eventFields);
export type WatchedEvent = z.infer<typeof watchedEventSchema>;
export const eventViewSchema = z.object({ id: z.number().int(), ...eventFields });
export type EventView = z.infer<typeof eventViewSchema>;

export const listEventsQuery = z.strictObject({
  app: z.optional(appNameSchema),
  /** Id or name. */
  node: z.string().min(1).max(63).optional(),
  workload: z.optional(workloadIdSchema),
  /** Events with a larger id, oldest first; without it the newest `limit` ones, oldest first. */
  after: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE),
});
export const eventPageSchema = z.object({
  items: z.array(eventViewSchema),
  /** Goes into `after`: the last id of this page, or what was asked for if the page is empty; null: there are no events at all. */
  next: z.number().int().nullable(),
  /** Goes into watch's `since` to carry on from here without loss. */
  seq: z.number().int(),
});

export const watchQuery = z.strictObject({
  /** Everything after this commit; `seq` of any read. Left out: from now on. The header Last-Event-ID ("seq.index") wins over it. */
  since: z.coerce
    .number()
    .int()
    .min(0)
    .max(2 ** 53 - 1)
    .optional(),
  /** Only what concerns this app. */
  app: z.optional(appNameSchema),
  /** Only what concerns this node; id or name. */
  node: z.string().min(1).max(63).optional(),
});

/**
 * The data of one server-sent event. Those of the first group are durable and carry an id ("seq.index") to resume from; those of
 * the second are passing news for live views and carry none: after a gap read the state anew.
 */
export const watchItemSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("hello"), seq: z.number().int() }),
  z.object({ kind: z.literal("app"), app: appNameSchema, revision: z.number().int() }),
  z.object({ kind: z.literal("app-removed"), app: appNameSchema }),
  z.object({ kind: z.literal("node"), node: nodeRefSchema }),
  z.object({ kind: z.literal("node-removed"), node: z.object({ id: z.string() }) }),
  z.object({ kind: z.literal("placed"), workload: workloadIdSchema, node: nodeRefSchema.nullable() }),
  z.object({ kind: z.literal("unplaced"), workload: workloadIdSchema }),
  z.object({ kind: z.literal("events"), items: z.array(watchedEventSchema) }),

  z.object({ kind: z.literal("workloads"), items: z.array(workloadViewSchema), gone: z.array(workloadIdSchema) }),
  z.object({ kind: z.literal("reachability"), node: nodeRefSchema, reachability: reachabilityViewSchema }),
]);
export type WatchNews = z.infer<typeof watchItemSchema>;
