// AppSpec: a Compose file after compiling. What the hub stores per revision and schedules from.
import * as z from "zod/mini";
import { constraintSchema } from "./constraint.ts";
import { containerSpecSchema } from "./container.ts";
import { appNameSchema, serviceNameSchema, specHashSchema } from "./ids.ts";
import { DEFAULT_ROLLBACK, DEFAULT_ROLLOUT, DEFAULT_UPDATE, NO_UPDATE_TIMES } from "./plain.ts";
import { probesSchema, rolloutPolicySchema, updatePolicySchema, updateTimesSchema } from "./update.ts";

const shortText = () => z.string().check(z.maxLength(4_096), z.regex(/^[^\0]*$/));
const nat = () => z.int().check(z.gte(0));

/** One network of an app, created on each node where a workload needs it. */
export const appNetworkSchema = z.object({
  /** Key in the file. */
  key: shortText(),
  /** The engine's name: `app_key` unless the file names it. */
  engineName: shortText(),
  /** true: must exist already; never created or removed by us. */
  external: z.boolean(),
  driver: z.nullable(shortText()),
  driverOptions: z.record(shortText(), shortText()),
  internal: z.boolean(),
  attachable: z.boolean(),
  enableIpv6: z.boolean(),
  ipam: z.nullable(
    z.object({
      driver: z.nullable(shortText()),
      configs: z.array(
        z.object({
          subnet: z.nullable(shortText()),
          gateway: z.nullable(shortText()),
          ipRange: z.nullable(shortText()),
          auxAddresses: z.record(shortText(), shortText()),
        }),
      ),
      options: z.record(shortText(), shortText()),
    }),
  ),
  labels: z.record(shortText(), shortText()),
});
export type AppNetwork = z.infer<typeof appNetworkSchema>;

export const appVolumeSchema = z.object({
  key: shortText(),
  /** The engine's name: `app_key` unless the file names it. */
  engineName: shortText(),
  external: z.boolean(),
  driver: z.nullable(shortText()),
  driverOptions: z.record(shortText(), shortText()),
  labels: z.record(shortText(), shortText()),
});
export type AppVolume = z.infer<typeof appVolumeSchema>;

/** What happens when a node is not heard from. `afterMs` counts from the last word. */
export const disconnectSchema = z.discriminatedUnion("policy", [
  z.object({ policy: z.literal("keep") }),
  z.object({ policy: z.literal("replace"), afterMs: z.int().check(z.gte(1_000)) }),
  z.object({ policy: z.literal("fence"), afterMs: z.int().check(z.gte(1_000)) }),
]);
export type Disconnect = z.infer<typeof disconnectSchema>;
/** `replace` and `fence` without `after`. From DESIGN. */
export const DEFAULT_DISCONNECT_AFTER_MS = 30_000;

export const serviceSpecSchema = z.object({
  name: serviceNameSchema,
  /** sha256 of the canonical container spec together with the networks and volumes it names (see `specHashInput`). */
  specHash: specHashSchema,
  container: containerSpecSchema,
  mode: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("global") }),
    z.object({ kind: z.literal("replicated"), replicas: z.int().check(z.gte(0), z.lte(10_000)) }),
  ]),
  constraints: z.array(constraintSchema),
  /** Label keys to spread over, most important first. */
  spread: z.array(shortText()),
  maxReplicasPerNode: z.nullable(z.int().check(z.gte(1))),
  /** What scheduling sets aside on a node: deploy.resources.reservations. */
  reservedMemoryBytes: z.nullable(nat()),
  reservedNanoCpus: z.nullable(nat()),
  disconnect: disconnectSchema,
  probes: z._default(z.nullable(probesSchema), null),
  update: z._default(updatePolicySchema, DEFAULT_UPDATE),
  rollback: z._default(updatePolicySchema, DEFAULT_ROLLBACK),
  rollout: z._default(rolloutPolicySchema, DEFAULT_ROLLOUT),
  times: z._default(updateTimesSchema, NO_UPDATE_TIMES),
  /** Who gets room first when there is not enough: higher before lower. 0 when the file says nothing. */
  priority: z._default(z.int().check(z.gte(-1_000), z.lte(1_000)), 0),
});
export type ServiceSpec = z.infer<typeof serviceSpecSchema>;

export const appSpecSchema = z.object({
  name: appNameSchema,
  /** Sorted by name. */
  services: z.array(serviceSpecSchema),
  networks: z.array(appNetworkSchema),
  volumes: z.array(appVolumeSchema),
  /**
   * Applied by somebody who may deploy every app: it may use registry credentials that are for no named app. Absent: it may not. Part of
   * the revision, not of any container.
   */
  unbound: z.optional(z.literal(true)),
});
export type AppSpec = z.infer<typeof appSpecSchema>;
