// The second websocket, for streams: where an agent dials when the hub asks, what it shows there, and what logs look like on it.
// On it runs HTTP/2 with the agent as the server; nothing of it exists at rest. Both sides keep to the limits here.
import * as z from "zod/mini";
import { workloadIdSchema } from "../model/ids.ts";

/** Appended to the agents' own address. */
export const STREAMS_SUFFIX = "/streams";
/** Headers of the dial: who it is, and `streamText` signed by its key, as hex. It sends neither key nor ticket: who is in between learns nothing. */
export const STREAM_HEADER = { node: "x-skerry-node", proof: "x-skerry-proof" } as const;

/** A ticket is good for one dial: name, TCP and TLS over a satellite with losses. */
export const TICKET_LIFE_MS = 20_000;
/** Streams on one node at once: each costs its engine a reader. A Pi has tens of containers, and few people look at once. */
export const MAX_STREAMS_PER_NODE = 32;
/** The hub closes a socket without a stream after this, the agent after twice as long: the next look within it costs no handshake. */
export const STREAM_IDLE_MS = 30_000;
/** HTTP/2 writes frames of 16 KiB, some at once. */
export const MAX_STREAM_MESSAGE_BYTES = 1_048_576;

/** A longer line comes in pieces. Docker's own limit of what it stores in one piece. */
export const MAX_LOG_LINE_CHARACTERS = 16_384;
/** Of one workload while it is followed: more than anybody reads. What is above is counted and not sent. */
export const MAX_LOG_CHARACTERS_PER_SECOND = 524_288;
/** Longest item as JSON: each character may become six. */
export const MAX_LOG_ITEM_CHARACTERS = 6 * MAX_LOG_LINE_CHARACTERS + 512;
/** Lines from the end; more than that is for a log collector. */
export const MAX_LOG_TAIL = 100_000;
/** Thirty years: further back there is nothing. */
export const MAX_LOG_AGE_MS = 1_000_000_000_000;

/** An engine's stamp in UTC. Of the node's own clock, which may be wrong: for showing, and for going on after a line. */
const stampSchema = z.string().check(z.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/));

/** What `GET /logs` on the agent takes, as JSON in its query `ask`. */
export const logAskSchema = z.object({
  workload: workloadIdSchema,
  follow: z.boolean(),
  /** So many lines from the end; null: all. */
  tail: z.nullable(z.int().check(z.gte(0), z.lte(MAX_LOG_TAIL))),
  /** Not older than this, by the node's own clock; null: all. */
  sinceMs: z.nullable(z.number().check(z.gte(0), z.lte(MAX_LOG_AGE_MS))),
  /** Only what comes after the line with this stamp: to go on where a stream broke. */
  after: z.nullable(stampSchema),
});
export type LogAsk = z.infer<typeof logAskSchema>;

/** The last line of an answer that is complete: one that broke off looks like any other end otherwise. */
export const LOG_END = '{"kind":"end"}';
/** One line of the answer. */
export const logItemSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("line"),
    stream: z.enum(["stdout", "stderr"]),
    at: stampSchema,
    /** As the container wrote it, without its line break: control characters are in it. */
    text: z.string().check(z.maxLength(MAX_LOG_LINE_CHARACTERS)),
    /** true: the line goes on in the next piece. */
    more: z.boolean(),
  }),
  /** Lines that were left out because they came faster than anybody reads. */
  z.object({ kind: z.literal("skipped"), lines: z.int().check(z.gte(1)) }),
  /** Something to know about what is read: no container, a new one. */
  z.object({ kind: z.literal("note"), text: z.string().check(z.maxLength(1_024)) }),
]);
export type LogItem = z.infer<typeof logItemSchema>;
export type LogLine = Extract<LogItem, { kind: "line" }>;
