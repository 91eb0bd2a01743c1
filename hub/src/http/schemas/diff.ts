// What differs between two revisions of an app: per service in words, and both files for whoever shows them side by side.
import { appNameSchema, revisionSchema, serviceNameSchema } from "@skerry/shared/model/ids.ts";
import * as z from "zod";
import { serviceChangeSchema } from "./apps.ts";

const revisionQuery = z.coerce
  .number()
  .int()
  .min(1)
  .max(2 ** 48);
/** `to`: the current revision when left out. */
export const diffQuery = z.strictObject({ from: revisionQuery, to: revisionQuery.optional() });

/** The file as it was applied. */
const sideSchema = z.object({ revision: revisionSchema, source: z.string() });

export const serviceDiffSchema = z.object({
  service: serviceNameSchema,
  /** recreated: its containers are replaced; changed: they stay. */
  change: serviceChangeSchema.shape.change,
  /** One line for each thing that differs. Of environment, labels and commands no values: variables carry secrets. */
  what: z.array(z.string()),
});

export const revisionDiffSchema = z.object({
  app: appNameSchema,
  from: sideSchema,
  to: sideSchema,
  services: z.array(serviceDiffSchema),
});
export type RevisionDiff = z.infer<typeof revisionDiffSchema>;
