// Protocol versions and every limit on the wire. Both sides check; a cut-off has a test on each side.

/**
 * History. 1: hello, welcome, assign, accepted, report, events, heartbeat (November 2026).
 * 2: workloads carry intent, change-over, probes and times; statuses carry gates; `open-stream` (November 2026). Nobody ran 1 outside tests.
 * 3: the hub says `challenge` first, and `hello` proves the node's key by a signature that is bound to the TLS connection; assignments are
 * signed; marks; pins; secrets and configs by `need-values`, `value` and `value-refused`; other keys of nodes by `roll-key`, `next-key` and
 * `key-taken`; what a node keeps by the hub's word is signed (November 2026). Nobody ran 2 outside tests.
 * A new field that an old peer may ignore needs no new version; anything else does.
 */
export const PROTOCOL_VERSION = 3;
/** The oldest peer that this side still speaks with. */
export const PROTOCOL_MINIMUM = 3;

/** Agents send little: a whole report of 200 workloads is about 80 KB. 1 MiB leaves room and bounds a hostile node. */
export const MAX_FRAME_TO_HUB_BYTES = 1_048_576;
/** A whole assignment of 200 workloads with long environments is about 1 MB. */
export const MAX_FRAME_TO_AGENT_BYTES = 4_194_304;
/** One node. A Pi runs tens of containers. */
export const MAX_WORKLOADS_PER_NODE = 200;
/** The key that the hub has, and the one that it will have next: a node that knows both misses no change between them. */
export const MAX_PINS = 2;
/** Events per frame; the rest follows after the acknowledgement. */
export const MAX_EVENTS_PER_FRAME = 100;
/** A connection that has not said hello by then is closed. */
export const HELLO_DEADLINE_MS = 10_000;
/** A hub that has not said welcome by then is given up by the agent. */
export const WELCOME_DEADLINE_MS = 10_000;

/**
 * Default heartbeat. A beat and its answer are frames of 27 bytes, each with 66 of Ethernet, IP and TCP, and one bare TCP acknowledgement
 * of 66: some 260 bytes. 20 s is 4,320 of them, 1.1 MB a day. With figures every five minutes (0.2 MB) and what a kernel says to its
 * neighbours (0.2 MB seen) that is below the promised 2, with room for what TLS adds (44 bytes a beat, 0.2 MB). 15 s leaves none.
 */
export const HEARTBEAT_MS = 20_000;
/** For metered nodes with only `keep` workloads: 0.1 MB a day, and below the 270 s after which some carriers drop an idle connection. */
export const HEARTBEAT_METERED_MS = 240_000;
/** The shortest that a tight `after` may bring about: a third of the shortest `after` there is (1 s), so that one lost beat is not a loss. */
export const HEARTBEAT_MINIMUM_MS = 333;
/** A node is unreachable when nothing was heard for so many periods (and never before the tightest `after` asks). */
export const LEASE_PERIODS = 3;
/** Either side gives a connection up when the other's beat is so late. */
export const MISSED_BEATS = 2;

/**
 * The longest pause between an agent's tries to reach the hub (full jitter below it). The hub waits as long after its own start
 * before it calls anybody unreachable.
 */
export const RECONNECT_CAP_MS = 60_000;
/** On a metered link every try costs a handshake. */
export const RECONNECT_CAP_METERED_MS = 300_000;

/** Close codes of our own (4000–4999). */
export const CLOSE = {
  protocolError: 4400,
  notAuthenticated: 4401,
  /** The key was revoked; it opens nothing any more. */
  revoked: 4403,
  /** Two machines used the node's key: neither is let in until somebody decides. */
  frozen: 4423,
  versionTooOld: 4426,
  versionTooNew: 4427,
  supersededByNewerConnection: 4409,
  tooSlow: 4408,
  goingAway: 4503,
} as const;
