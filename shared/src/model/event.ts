// Events: facts worth keeping after the container is gone. A closed union; this file is the one place that turns them into words.
import * as z from "zod/mini";
import { exitInWords } from "./exit-words.ts";
import { counterSchema, workloadIdSchema } from "./ids.ts";
import { exitSchema, pullFailureSchema } from "./report.ts";

const shortText = () => z.string().check(z.maxLength(4_096), z.regex(/^[^\0]*$/));
const nat = () => z.int().check(z.gte(0));
const workload = () => ({ workload: workloadIdSchema });

/** What a node can say. Each is put durably into the outbox before it is shown or sent. */
export const nodeEventSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("agent-started"), version: shortText(), bootId: shortText() }),
  z.object({
    kind: z.literal("assignment-accepted"),
    epoch: counterSchema,
    generation: counterSchema,
    workloads: nat(),
  }),
  z.object({
    kind: z.literal("assignment-refused"),
    epoch: counterSchema,
    generation: counterSchema,
    reason: shortText(),
  }),
  z.object({ kind: z.literal("image-pulled"), ...workload(), image: shortText(), tookMs: nat() }),
  z.object({
    kind: z.literal("image-pull-failed"),
    ...workload(),
    image: shortText(),
    reason: shortText(),
    /** "other" also where an older agent said it. */
    failure: z._default(pullFailureSchema, "other"),
  }),
  z.object({ kind: z.literal("container-created"), ...workload(), containerId: shortText() }),
  z.object({ kind: z.literal("container-started"), ...workload(), containerId: shortText() }),
  z.object({
    kind: z.literal("container-exited"),
    ...workload(),
    containerId: shortText(),
    exit: exitSchema,
    /** The exit, and who is behind it as far as the node saw. Empty: an older agent said it. */
    words: z._default(shortText(), ""),
    /** The last lines that it wrote, oldest first: at most 50, and 8 KiB together. */
    tail: z._default(z.array(shortText()).check(z.maxLength(50)), []),
  }),
  z.object({ kind: z.literal("probe-failed"), ...workload(), probe: shortText(), answer: shortText() }),
  z.object({ kind: z.literal("probe-recovered"), ...workload(), probe: shortText() }),
  z.object({ kind: z.literal("gate-passed"), ...workload(), revision: counterSchema }),
  z.object({ kind: z.literal("gate-failed"), ...workload(), revision: counterSchema, reason: shortText() }),
  /** Went back to the last good one by itself. */
  z.object({
    kind: z.literal("reverted"),
    ...workload(),
    from: counterSchema,
    to: counterSchema,
    reason: shortText(),
  }),
  z.object({
    kind: z.literal("held"),
    ...workload(),
    owner: shortText(),
    reason: shortText(),
    forMs: nat(),
  }),
  z.object({ kind: z.literal("hold-ended"), ...workload(), owner: shortText(), how: shortText() }),
  z.object({ kind: z.literal("stopped"), ...workload() }),
  z.object({ kind: z.literal("restarted"), ...workload() }),
  z.object({ kind: z.literal("condition-on"), condition: shortText(), message: shortText() }),
  z.object({ kind: z.literal("condition-off"), condition: shortText() }),
  z.object({ kind: z.literal("container-unhealthy"), ...workload(), containerId: shortText(), output: shortText() }),
  z.object({ kind: z.literal("container-healthy"), ...workload(), containerId: shortText() }),
  z.object({ kind: z.literal("container-removed"), ...workload(), containerId: shortText(), reason: shortText() }),
  /** Something outside changed what is ours, and it is being repaired. */
  z.object({ kind: z.literal("drift"), ...workload(), what: shortText() }),
  z.object({ kind: z.literal("backing-off"), ...workload(), attempt: nat(), nextTryInMs: nat(), reason: shortText() }),
  z.object({ kind: z.literal("workload-failed"), ...workload(), reason: shortText() }),
  z.object({ kind: z.literal("fenced"), ...workload(), silentForMs: nat() }),
  z.object({ kind: z.literal("engine-lost"), reason: shortText() }),
  z.object({ kind: z.literal("engine-back"), downMs: nat(), restarted: z.boolean() }),
  z.object({ kind: z.literal("link-lost"), reason: shortText() }),
  z.object({ kind: z.literal("link-back"), downMs: nat() }),
  z.object({ kind: z.literal("ledger-rebuilt"), reason: shortText(), adopted: nat() }),
  /** The outbox was full: so many events were let go, oldest first. */
  z.object({ kind: z.literal("gap"), lost: nat() }),
  z.object({ kind: z.literal("volume-kept"), ...workload(), volume: shortText() }),
]);
export type NodeEvent = z.infer<typeof nodeEventSchema>;

/** `seq` rises by one per event of this node, across reboots. `ageMs` is null when it happened before the last boot. */
export const outboxItemSchema = z.object({
  seq: counterSchema,
  bootId: shortText(),
  ageMs: z.nullable(nat()),
  event: nodeEventSchema,
});
export type OutboxItem = z.infer<typeof outboxItemSchema>;

export type EventLevel = "info" | "warning" | "error";

export function eventLevel(event: NodeEvent): EventLevel {
  switch (event.kind) {
    case "assignment-refused":
    case "workload-failed":
    case "gap":
      return "error";
    case "image-pull-failed":
    case "container-exited":
    case "probe-failed":
    case "gate-failed":
    case "reverted":
    case "held":
    case "condition-on":
    case "container-unhealthy":
    case "drift":
    case "backing-off":
    case "fenced":
    case "engine-lost":
    case "link-lost":
    case "ledger-rebuilt":
      return "warning";
    default:
      return "info";
  }
}

/** "0.8 s", "12 s", "5 min", "3 h", "9 days": one unit is enough. */
function inWords(ms: number): string {
  const seconds = ms / 1_000;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** One plain sentence without the subject (the workload or node stands in its own column). */
export function eventText(event: NodeEvent): string {
  switch (event.kind) {
    case "agent-started":
      return `agent ${event.version} started`;
    case "assignment-accepted":
      return `accepted generation ${event.generation}: ${event.workloads} workload${event.workloads === 1 ? "" : "s"}`;
    case "assignment-refused":
      return `refused generation ${event.generation}: ${event.reason}`;
    case "image-pulled":
      return `pulled ${event.image} in ${inWords(event.tookMs)}`;
    case "image-pull-failed":
      return `could not pull ${event.image}: ${event.reason}`;
    case "container-created":
      return "created";
    case "container-started":
      return "started";
    case "container-exited":
      return `${event.words === "" ? exitInWords(event.exit) : event.words} after ${inWords(event.exit.ranMs)}`;
    case "probe-failed":
      return `${event.probe} probe fails: ${event.answer}`;
    case "probe-recovered":
      return `${event.probe} probe succeeds again`;
    case "gate-passed":
      return `revision ${event.revision} is good here`;
    case "gate-failed":
      return `revision ${event.revision} failed here: ${event.reason}`;
    case "reverted":
      return `went back from revision ${event.from} to ${event.to}: ${event.reason}`;
    case "held":
      return `its update is held by ${event.owner} for ${inWords(event.forMs)}: ${event.reason}`;
    case "hold-ended":
      return `the hold by ${event.owner} ended: ${event.how}`;
    case "stopped":
      return "stopped, as an operator wants";
    case "restarted":
      return "restarted, as an operator asked";
    case "condition-on":
      return event.message;
    case "condition-off":
      return `no longer: ${event.condition}`;
    case "container-unhealthy":
      return `unhealthy: ${event.output.trim() || "its health check fails and says nothing"}`;
    case "container-healthy":
      return "healthy";
    case "container-removed":
      return `removed: ${event.reason}`;
    case "drift":
      return `changed from outside: ${event.what}; repairing`;
    case "backing-off":
      return `${event.reason}; try ${event.attempt} in ${inWords(event.nextTryInMs)}`;
    case "workload-failed":
      return `given up: ${event.reason}`;
    case "fenced":
      return `stopped by its fence: no word from the hub for ${inWords(event.silentForMs)}`;
    case "engine-lost":
      return `engine does not answer: ${event.reason}`;
    case "engine-back":
      return `engine answers again after ${inWords(event.downMs)}${event.restarted ? " (it was restarted)" : ""}`;
    case "link-lost":
      return `lost the hub: ${event.reason}; carrying on`;
    case "link-back":
      return `hub reached again after ${inWords(event.downMs)}`;
    case "ledger-rebuilt":
      return `ledger rebuilt from labels (${event.reason}): ${event.adopted} containers adopted`;
    case "gap":
      return `${event.lost} events were lost because the outbox was full`;
    case "volume-kept":
      return `volume ${event.volume} stays: volumes are removed only by name`;
  }
}
