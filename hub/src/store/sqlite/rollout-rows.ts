// The door for stored JSON about rollouts, wishes, gates and what hangs on apps, nodes and placements because of them.
import {
  appNameSchema,
  counterSchema,
  revisionSchema,
  serviceNameSchema,
  slotSchema,
  specHashSchema,
  workloadIdSchema,
} from "@skerry/shared/model/ids.ts";
import * as z from "zod/mini";
import type { FailedSpec, GateResult, Rollout, Said, Wish } from "../../core/rollout-state.ts";
import type { Step } from "../../core/world.ts";

const wallMs = () => z.number();

export const saidSchema: z.ZodMiniType<Said> = z.object({ by: z.string(), atMs: wallMs(), reason: z.string() });

export const failedSpecsSchema: z.ZodMiniType<FailedSpec[]> = z.array(
  z.object({ service: serviceNameSchema, specHash: specHashSchema, revision: revisionSchema, reason: z.string() }),
);

export const stepSchema: z.ZodMiniType<Step> = z.object({
  kind: z.enum(["first", "update", "rollback"]),
  previous: z.nullable(revisionSchema),
  attempt: counterSchema,
  force: z.boolean(),
});

export const gateResultSchema: z.ZodMiniType<GateResult> = z.object({
  workload: workloadIdSchema,
  revision: revisionSchema,
  specHash: specHashSchema,
  attempt: counterSchema,
  result: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("passed") }),
    z.object({ kind: z.literal("failed"), reason: z.string() }),
  ]),
});

export const wishSchema: z.ZodMiniType<Wish> = z.object({
  app: appNameSchema,
  service: z.nullable(serviceNameSchema),
  slot: z.nullable(slotSchema),
  stopped: z.nullable(saidSchema),
  restarts: counterSchema,
  paused: z.nullable(saidSchema),
});

export const rolloutSchema: z.ZodMiniType<Rollout> = z.object({
  app: appNameSchema,
  revision: revisionSchema,
  kind: z.enum(["first", "update", "rollback"]),
  from: z.nullable(revisionSchema),
  by: z.string(),
  reason: z.string(),
  attempt: counterSchema,
  force: z.boolean(),
  startedAtMs: wallMs(),
  state: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("progressing") }),
    z.object({ kind: z.literal("paused"), by: z.string(), reason: z.string(), atMs: wallMs() }),
    z.object({ kind: z.literal("done"), atMs: wallMs() }),
    z.object({ kind: z.literal("failed"), reason: z.string(), next: z.nullable(revisionSchema), atMs: wallMs() }),
    z.object({ kind: z.literal("superseded"), next: revisionSchema, atMs: wallMs() }),
  ]),
  services: z.array(
    z.object({
      service: serviceNameSchema,
      batch: counterSchema,
      canary: z.enum(["none", "open", "promoted"]),
      forgiven: counterSchema,
    }),
  ),
});
