// Frames from the hub to an agent.
import * as z from "zod/mini";
import { assignmentDeltaSchema, assignmentSchema } from "../model/assignment.ts";
import { counterSchema, installationIdSchema, publicKeySchema } from "../model/ids.ts";
import { markSchema } from "../model/mark.ts";
import { signatureSchema } from "../model/signature.ts";
import { valueRefusedSchema, valueSchema } from "./values.ts";
import { MAX_PINS } from "./version.ts";

const shortText = () => z.string().check(z.maxLength(4_096));
const periodMs = () => z.int().check(z.gte(100), z.lte(86_400_000));

const pinsSchema = () => z.array(z.string().check(z.regex(/^[0-9a-f]{64}$/))).check(z.maxLength(MAX_PINS));

/**
 * The first frame on each connection. `nonce`: 32 random bytes as hex, of this connection alone; `hello` signs it. `binding`: whether it
 * also signs what binds it to this TLS connection; "none": the hub does not end TLS itself.
 */
export const challengeSchema = z.object({
  type: z.literal("challenge"),
  nonce: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  binding: z.enum(["tls-exporter", "none"]),
});
export const welcomeSchema = z.object({
  type: z.literal("welcome"),
  protocol: z.int(),
  installation: installationIdSchema,
  hubVersion: shortText(),
  heartbeatMs: periodMs(),
  /** Highest event seq of this node that the hub holds durably. */
  eventsAcked: counterSchema,
  /** To be kept from now on, and answered with `marked`; null: keep the one that you have. */
  mark: z._default(z.nullable(markSchema), null),
  /** Of the hub's key, and of its next one if there is one. None: it has no TLS. */
  pins: z.optional(pinsSchema()),
  /** Of `keptText` by the hub's signing key, the first on the connection: without it neither mark nor pins are kept. Absent: nothing to keep. */
  signature: z.optional(signatureSchema),
});
/** They changed. Answered by `pins-kept` once they are durable. `signature` as in `welcome`, `count`: its place on this connection. */
export const pinsFrameSchema = z.object({
  type: z.literal("pins"),
  pins: pinsSchema(),
  count: counterSchema,
  signature: signatureSchema,
});
/** An operator wants the node to have another key. `signature`: of `rollKeyText` with the node's present key. Answered by `next-key`. */
export const rollKeySchema = z.object({ type: z.literal("roll-key"), signature: signatureSchema });
/** What `next-key` named is durable on the hub. `signature`: of `keyTakenText`. The node goes over to it and connects anew. */
export const keyTakenSchema = z.object({
  type: z.literal("key-taken"),
  publicKey: publicKeySchema,
  signature: signatureSchema,
});
/** New period, when the tightest `after` among the node's workloads changed. */
export const paceSchema = z.object({ type: z.literal("pace"), heartbeatMs: periodMs() });
/** Answers beat `n`. For `fence` this is the lease renewal: it counts from the moment the agent *sent* beat n. */
export const beatAckSchema = z.object({ type: z.literal("beat-ack"), n: counterSchema });
/** `signature`: of `assignmentText` of the assignment that it is, or leads to, by the hub's signing key. */
export const assignSchema = z.object({
  type: z.literal("assign"),
  assignment: assignmentSchema,
  signature: signatureSchema,
});
export const assignDeltaSchema = z.object({
  type: z.literal("assign-delta"),
  delta: assignmentDeltaSchema,
  signature: signatureSchema,
});
/** Everything up to `seq` is durable on the hub; the outbox may let it go. */
export const eventsAckSchema = z.object({ type: z.literal("events-ack"), seq: counterSchema });
/** Said before closing: why, and when to come back (a spread window against herds). */
export const goodbyeSchema = z.object({
  type: z.literal("goodbye"),
  reason: shortText(),
  reconnectWithinMs: z.int().check(z.gte(0), z.lte(3_600_000)),
});

/**
 * Dial the stream socket (`/v1/agent/streams`) and serve HTTP/2 on it. `ticket`: single use, said in the dial's header. `signature`: of
 * `openStreamText`.
 */
export const openStreamSchema = z.object({
  type: z.literal("open-stream"),
  ticket: shortText(),
  signature: signatureSchema,
});

export const toAgentSchema = z.discriminatedUnion("type", [
  challengeSchema,
  welcomeSchema,
  pinsFrameSchema,
  rollKeySchema,
  keyTakenSchema,
  paceSchema,
  beatAckSchema,
  assignSchema,
  assignDeltaSchema,
  eventsAckSchema,
  goodbyeSchema,
  openStreamSchema,
  valueSchema,
  valueRefusedSchema,
]);
export type Welcome = z.infer<typeof welcomeSchema>;
export type ToAgent = z.infer<typeof toAgentSchema>;
