// What a node says of itself: facts once per connection and when they change, cheap figures on a slow timer, conditions as they turn.
import * as z from "zod/mini";

const shortText = () => z.string().check(z.maxLength(4_096), z.regex(/^[^\0]*$/));
const nat = () => z.int().check(z.gte(0));

/** Changes seldom; scheduling reads the capacities. */
export const nodeFactsSchema = z.object({
  hostname: shortText(),
  /** Docker's words: amd64, arm64. */
  arch: shortText(),
  os: shortText(),
  kernel: shortText(),
  /** "Raspberry Pi 5 Model B Rev 1.0", or null. */
  model: z.nullable(shortText()),
  cores: nat(),
  memoryBytes: nat(),
  diskBytes: nat(),
  engineVersion: shortText(),
  engineApiVersion: shortText(),
  agentVersion: shortText(),
  /** true: the link costs money by the byte; the hub gives long periods. */
  metered: z.boolean(),
});
export type NodeFacts = z.infer<typeof nodeFactsSchema>;

/** Cheap and rounded, so that small wobbles are not sent. */
export const nodeFiguresSchema = z.object({
  memoryAvailableBytes: nat(),
  diskFreeBytes: nat(),
  load1: z.number(),
  temperatureC: z.nullable(z.number()),
  clockSynchronised: z.nullable(z.boolean()),
});
export type NodeFigures = z.infer<typeof nodeFiguresSchema>;

/** A port on the node held by something that is not ours, or a container of ours; for scheduling and `why`. */
export const portInUseSchema = z.object({
  port: nat(),
  protocol: z.enum(["tcp", "udp", "sctp"]),
  hostIp: shortText(),
  /** Name of the container that publishes it. */
  container: shortText(),
  managed: z.boolean(),
});
export type PortInUse = z.infer<typeof portInUseSchema>;

export const conditionSchema = z.object({
  kind: z.enum([
    "engine-unreachable",
    "ledger-rebuilt",
    "assignment-refused",
    "clone-detected",
    "key-revoked",
    "outbox-gap",
    "disk-full",
    "foreign-label",
    "unexplained-container",
    "wrong-installation",
    "disk-pressure",
    "inode-pressure",
    "memory-pressure",
    "clock-unsynchronised",
    "temperature",
    "under-voltage",
    "memory-limits-not-enforced",
    "safe-mode",
  ]),
  /** One plain sentence: what, and what to do. */
  message: shortText(),
});
export type Condition = z.infer<typeof conditionSchema>;
