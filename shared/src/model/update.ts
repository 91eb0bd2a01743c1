// Update: how a service is changed — its gate, its batches, its windows — and how its health is asked for beyond the engine's own check.
// None of this is part of a container: changing it restarts nothing, so none of it is in a spec hash.
import * as z from "zod/mini";
import { constraintSchema } from "./constraint.ts";

const shortText = () => z.string().check(z.maxLength(4_096), z.regex(/^[^\0]*$/));
const nat = () => z.int().check(z.gte(0));
const share = () => z.number().check(z.gte(0), z.lte(1));
/** As in ContainerSpec. */
const MAX_LIST = 256;

/** "3" or "25%". A percentage is of the service's slots, rounded up, at least 1. */
export const amountSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("count"), count: nat() }),
  z.object({ kind: z.literal("percent"), percent: z.number().check(z.gte(0), z.lte(100)) }),
]);
export type Amount = z.infer<typeof amountSchema>;

/** What a probe does. `http`: to the container's own address on a network of the node, else to the published port on 127.0.0.1. */
export const probeCheckSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("http"),
    port: z.int().check(z.gte(1), z.lte(65_535)),
    path: shortText(),
    /** Inclusive ranges; Kubernetes' habit when the file says nothing: 200–399. */
    status: z.array(z.object({ from: nat(), to: nat() })).check(z.maxLength(32)),
    headers: z.record(shortText(), shortText()),
  }),
  z.object({ kind: z.literal("tcp"), port: z.int().check(z.gte(1), z.lte(65_535)) }),
  z.object({ kind: z.literal("exec"), command: z.array(shortText()).check(z.maxLength(MAX_LIST)) }),
]);
export type ProbeCheck = z.infer<typeof probeCheckSchema>;

export const probeSchema = z.object({
  check: probeCheckSchema,
  initialDelayMs: nat(),
  intervalMs: nat(),
  timeoutMs: nat(),
  failureThreshold: z.int().check(z.gte(1)),
  successThreshold: z.int().check(z.gte(1)),
});
export type Probe = z.infer<typeof probeSchema>;

/** `startup` holds the other two back until it succeeded once; `readiness` is shown and gates rollouts; not `liveness` is restarted. */
export const probesSchema = z.object({
  startup: z.nullable(probeSchema),
  readiness: z.nullable(probeSchema),
  liveness: z.nullable(probeSchema),
});
export type Probes = z.infer<typeof probesSchema>;

/** `deploy.update_config` and `rollback_config`. */
export const updatePolicySchema = z.object({
  /** count 0: all at once. */
  parallelism: amountSchema,
  delayMs: nat(),
  /** For how long a new workload must be good without a break to pass its gate. */
  monitorMs: nat(),
  failureAction: z.enum(["continue", "pause", "rollback"]),
  /** More failures than this share of the service's slots are a failure of the rollout. */
  maxFailureRatio: share(),
  order: z.enum(["stop-first", "start-first"]),
});
export type UpdatePolicy = z.infer<typeof updatePolicySchema>;

/** `x-skerry.rollout`. */
export const rolloutPolicySchema = z.object({
  /** The first batch. `promoteAfterMs` null: waits for `skerry rollout resume`; else goes on by itself after so long a time of health. */
  canary: z.nullable(
    z.object({
      who: z.discriminatedUnion("kind", [
        z.object({ kind: z.literal("amount"), amount: amountSchema }),
        z.object({ kind: z.literal("nodes"), constraint: constraintSchema }),
      ]),
      promoteAfterMs: z.nullable(nat()),
    }),
  ),
  /** Batches never mix two values of this node label: one site at a time. */
  batchBy: z.nullable(shortText()),
  /** The share of a batch that must pass before the next one begins. */
  successThreshold: share(),
  /** Most slots not good at one time, whatever the reason, per value of the label `per` (null: of the whole service). null: none. */
  budget: z.nullable(z.object({ maxUnavailable: amountSchema, per: z.nullable(shortText()) })),
  /** A new workload that is not good by then has failed. Time in which a pull moves bytes, or that waits for a window or a hold, does not count. */
  deadlineMs: nat(),
});
export type RolloutPolicy = z.infer<typeof rolloutPolicySchema>;

/** Opens at each match of `cron` (five fields) in `timeZone` (IANA name; "UTC" when the file says nothing) for `durationMs`. */
export const windowSchema = z.object({
  cron: shortText(),
  durationMs: z.int().check(z.gte(60_000)),
  timeZone: shortText(),
});
export type Window = z.infer<typeof windowSchema>;

/** `x-skerry.update`. null: always open. `hold` null: the workload cannot hold its own update. */
export const updateTimesSchema = z.object({
  download: z.nullable(windowSchema),
  apply: z.nullable(windowSchema),
  /** The longest that leases of the workload may put one update off, all renewals together: nothing can hold for ever. */
  hold: z.nullable(z.object({ maxMs: z.int().check(z.gte(1_000)) })),
});
export type UpdateTimes = z.infer<typeof updateTimesSchema>;
