// What operators want beside the file: stop, start, restart, pause, scale; and how it is shown, with since when, by whom and why.
import { appNameSchema, serviceNameSchema, workloadIdSchema } from "@skerry/shared/model/ids.ts";
import * as z from "zod";
import { nodeRefSchema } from "./common.ts";

/** Since when (hub's wall clock), by whom, and the operator's own words; "" when none were given. */
export const saidSchema = z.object({ by: z.string(), atMs: z.number(), reason: z.string() });

/** `target`: what was named: APP, APP/SERVICE, APP/SERVICE/SLOT, or node/NAME for a drain whose deadline has passed. */
export const stopViewSchema = saidSchema.extend({ target: z.string() });
export type StopView = z.infer<typeof stopViewSchema>;

/** In the operator's own words, told with every view. */
const reasonSchema = z.string().max(256).default("");

/** Without a service the whole app, without a slot the whole service. A global service's slot is a node, by id or name. */
export const targetBodySchema = z.strictObject({
  service: z.nullable(serviceNameSchema).default(null),
  slot: z.string().min(1).max(63).nullable().default(null),
  reason: reasonSchema,
});

export const pauseBodySchema = z.strictObject({ reason: reasonSchema });

export const wishedSchema = z.object({
  app: appNameSchema,
  target: z.string(),
  /** false: it was wished so already; nothing was written. */
  changed: z.boolean(),
  /** Workloads that it is about. */
  workloads: z.array(workloadIdSchema),
  /** Nodes of these that are not heard from; it reaches them when they are back. */
  waitingFor: z.array(nodeRefSchema),
  seq: z.number().int(),
});
export type Wished = z.infer<typeof wishedSchema>;

export const scaleBodySchema = z.strictObject({
  service: serviceNameSchema,
  replicas: z.number().int().min(0).max(10_000),
  /** Scale only if this is the current revision; null: whatever it is. */
  ifRevision: z.number().int().min(0).nullable().default(null),
});
export const scaledSchema = z.object({
  app: appNameSchema,
  service: serviceNameSchema,
  replicas: z.number().int(),
  /** The number before. */
  from: z.number().int().nullable(),
  revision: z.number().int(),
  changed: z.boolean(),
  seq: z.number().int(),
});
export type Scaled = z.infer<typeof scaledSchema>;
