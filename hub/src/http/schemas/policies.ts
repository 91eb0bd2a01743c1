// Policies: what containers may ask of machines, and what of the apps that are there they would refuse.
import { nodeIdSchema } from "@skerry/shared/model/ids.ts";
import {
  grantsSchema,
  policyFieldsSchema,
  policyNameSchema,
  profileSchema,
  rulesSchema,
} from "@skerry/shared/policy/policy.ts";
import * as z from "zod";
import { flagSchema, ifRevisionQuerySchema } from "./common.ts";

export const policyParams = z.strictObject({ policy: policyNameSchema });

export const policyViewSchema = z.object({
  name: z.string(),
  /** For `ifRevision`. */
  revision: z.number().int(),
  profile: profileSchema,
  mode: z.enum(["enforce", "audit"]),
  /** Empty: all. */
  apps: z.array(z.string()),
  nodeLabels: z.array(z.string()),
  grants: grantsSchema,
  rules: rulesSchema,
});
export type PolicyView = z.infer<typeof policyViewSchema>;
export const policyListSchema = z.object({ items: z.array(policyViewSchema) });

export const setPolicyBodySchema = z.strictObject({
  policy: policyFieldsSchema,
  ifRevision: z
    .number()
    .int()
    .min(0)
    .max(2 ** 48)
    .nullable()
    .default(null),
  /** Nothing is changed; the answer tells what would be refused. */
  dryRun: z.boolean().default(false),
});

export const violationSchema = z.object({
  app: z.string(),
  service: z.string(),
  /** null: nowhere; else not on this node, where it stands. */
  node: z.object({ id: nodeIdSchema, name: z.string() }).nullable(),
  /** As in the file: "devices". */
  field: z.string(),
  rule: z.string(),
  value: z.string(),
  message: z.string(),
  hint: z.string(),
  /** false: a policy in audit mode lets it through. */
  enforced: z.boolean(),
});
export type ViolationView = z.infer<typeof violationSchema>;

/** `violations`: what of the apps that are there is refused from now on, when it is to change; it runs on. The first thousand. */
export const changedPolicySchema = policyViewSchema.extend({
  changed: z.boolean(),
  dryRun: z.boolean(),
  violations: z.array(violationSchema),
});
export type ChangedPolicy = z.infer<typeof changedPolicySchema>;

export const removePolicyQuery = z.strictObject({ ifRevision: ifRevisionQuerySchema.optional(), dryRun: flagSchema });
export const removedPolicySchema = z.object({
  name: z.string(),
  dryRun: z.boolean(),
  violations: z.array(violationSchema),
});
export type RemovedPolicy = z.infer<typeof removedPolicySchema>;
export const policyCheckSchema = z.object({ violations: z.array(violationSchema) });
