// Frames from an agent to the hub. Strict about what must be there, tolerant of fields it does not know.
import * as z from "zod/mini";
import { positionSchema } from "../model/assignment.ts";
import { outboxItemSchema } from "../model/event.ts";
import { counterSchema, nodeIdSchema, publicKeySchema, specHashSchema } from "../model/ids.ts";
import { markSchema } from "../model/mark.ts";
import { reportSchema } from "../model/report.ts";
import { signatureSchema } from "../model/signature.ts";
import { needValuesSchema } from "./values.ts";
import { MAX_EVENTS_PER_FRAME, MAX_PINS } from "./version.ts";

const pinsSchema = () => z.array(z.string().check(z.regex(/^[0-9a-f]{64}$/))).check(z.maxLength(MAX_PINS));
const shortText = () => z.string().check(z.maxLength(4_096));

export const helloSchema = z.object({
  type: z.literal("hello"),
  protocol: z.int(),
  protocolMinimum: z.int(),
  node: nodeIdSchema,
  /** Of `helloText` by the node's key, as hex; protocols before 3 had none and are refused by their number. Only the hub's one door reads it. */
  signature: z.optional(z.string().check(z.regex(/^[0-9a-f]{128}$/))),
  /** New at each boot of the machine (the kernel's boot id). */
  bootId: shortText(),
  /** New at each start of the agent process. */
  runId: shortText(),
  agentVersion: shortText(),
  /** What the ledger holds; null: nothing was ever accepted, or the ledger was lost. */
  have: z.nullable(z.object({ position: positionSchema, hash: specHashSchema })),
  /** The one that was last handed to it and is durable; null: none yet. */
  mark: z._default(z.nullable(markSchema), null),
  /** Of the hub's keys that it would take, as its ledger holds them. */
  pins: z.optional(pinsSchema()),
  /** 16 random bytes of the node's, of this connection alone: what the hub signs for it to keep says them again. */
  fresh: z.optional(z.string().check(z.regex(/^[0-9a-f]{32}$/))),
});

/** The mark of `welcome` is durable on the node. */
export const markedSchema = z.object({ type: z.literal("marked"), mark: markSchema });
/** The pins that `welcome` or `pins` named are in the ledger. */
export const pinsKeptSchema = z.object({ type: z.literal("pins-kept"), pins: pinsSchema() });
/** Answers `roll-key`: durable on the node. Signed by the present key and by this one, of `nextKeyText`. Answered by `key-taken`. */
export const nextKeySchema = z.object({
  type: z.literal("next-key"),
  publicKey: publicKeySchema,
  byPresent: signatureSchema,
  byNext: signatureSchema,
});
export const heartbeatSchema = z.object({ type: z.literal("beat"), n: counterSchema });
/** Durable on the node, not done. */
export const acceptedSchema = z.object({ type: z.literal("accepted"), position: positionSchema, hash: specHashSchema });
export const refusedSchema = z.object({
  type: z.literal("refused"),
  position: positionSchema,
  /** `stale`: older than held. `fork`: same position, other content (an alarm). `unexplained`: drops workloads without tombstones.
   * `foreign`: other installation or node. `unsigned`: not signed by this node's hub. `invalid`: hash does not match. `not-durable`: the ledger could not be written. */
  reason: z.enum(["stale", "fork", "unexplained", "foreign", "unsigned", "invalid", "not-durable"]),
  message: shortText(),
  have: z.nullable(z.object({ position: positionSchema, hash: specHashSchema })),
});
/** A delta that does not fit: send everything. */
export const needWholeSchema = z.object({
  type: z.literal("need-whole"),
  have: z.nullable(z.object({ position: positionSchema, hash: specHashSchema })),
});
export const reportFrameSchema = z.object({ type: z.literal("report"), report: reportSchema });
export const eventsSchema = z.object({
  type: z.literal("events"),
  items: z.array(outboxItemSchema).check(z.maxLength(MAX_EVENTS_PER_FRAME)),
});

export const toHubSchema = z.discriminatedUnion("type", [
  helloSchema,
  markedSchema,
  heartbeatSchema,
  acceptedSchema,
  refusedSchema,
  needWholeSchema,
  reportFrameSchema,
  eventsSchema,
  needValuesSchema,
  pinsKeptSchema,
  nextKeySchema,
]);
export type Hello = z.infer<typeof helloSchema>;
export type NextKey = z.infer<typeof nextKeySchema>;
export type ToHub = z.infer<typeof toHubSchema>;
