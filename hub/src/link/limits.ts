// Limits of the agents' door on the hub. Each bounds what one node, or all of them, can make the hub hold or do.
import { MAX_FRAME_TO_AGENT_BYTES } from "@skerry/shared/protocol/version.ts";

/** 10,000 nodes, and room for those that reconnect before their old connection is given up. About 64 KB each with TLS. */
export const MAX_CONNECTIONS = 12_000;
/** Connections that have not said who they are: hello comes within milliseconds, so even a whole fleet's return stays below. */
export const MAX_AWAITING_HELLO = 2_000;
/**
 * Of them those of one address, so that one machine cannot keep a fleet out by holding all the places. A fleet behind one address (a proxy, a
 * carrier's NAT) stays below it for the same reason, and one that does not comes back a second later.
 */
export const MAX_AWAITING_HELLO_EACH = 500;
/** All that somebody may send before he has shown who he is, frames and what is around them: a hello has some 600 bytes. */
export const MAX_BYTES_BEFORE_HELLO = 16_384;
/** What may wait in one socket: one assignment and its like. A peer that reads no more than that is given up. */
export const MAX_BUFFERED_BYTES = 2 * MAX_FRAME_TO_AGENT_BYTES;
/**
 * A node sends a beat a period, four reports a second at most, and events one page after the other. The burst is a deploy of a hundred
 * containers, each event of it in a frame of its own.
 */
export const FRAMES_PER_SECOND = 50;
export const FRAMES_BURST = 500;
/** A whole report of 200 workloads is 80 KB; the burst is four frames of the largest size. */
export const BYTES_PER_SECOND = 262_144;
export const BYTES_BURST = 4_194_304;
/** Events are written one by one: an outbox of months (5,000) drains in 20 s, and a node in a crash loop cannot take the disk for itself. */
export const EVENTS_PER_SECOND = 200;
export const EVENTS_BURST = 1_000;
/** Secrets and configs: a node asks for each once. The burst is an assignment of 200 workloads with ten each; opening and sealing one takes 0.5 ms. */
export const VALUES_PER_SECOND = 20;
export const VALUES_BURST = 2_000;
/** Acknowledgements are delayed to hold that rate; a node that sends on without waiting for them for so long is given up. */
export const MAX_EVENTS_DELAY_MS = 10_000;
/** After the deadline for a beat, once more so long: when the hub itself stood still, the beat lies unread in the socket. */
export const SILENCE_GRACE_MS = 1_000;
/** For an answer to an assignment (a commit on a slow card takes seconds); then the whole is sent once more. */
export const ANSWER_DEADLINE_MS = 60_000;
/** An assignment that the node could not make durable is offered again after this: its disk may have room again. */
export const REFUSED_RETRY_MS = 60_000;
/** Assignments built in one turn of the event loop: about 10 ms, so that a rollout to a fleet does not hold up beats. */
export const OFFERS_PER_TURN = 32;
/**
 * How fast a fleet may come back after the hub's restart; the window given in goodbye follows from it. Each costs 8 ms of CPU with TLS,
 * signatures and 20 workloads (bench storm), and the hub has one core to work with.
 */
export const RECONNECTS_PER_SECOND = 100;
export const RECONNECT_WINDOW_MINIMUM_MS = 1_000;
/** A connection answers its node's beats if the last one is not older than this share of the period. */
export const ALIVE_PERIODS = 1.5;
