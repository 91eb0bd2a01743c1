// Constraint: which nodes a service may run on, as `deploy.placement.constraints` and a canary name them.
// Apart from app.ts, so that an update policy may hold one too.
import * as z from "zod/mini";

const shortText = () => z.string().check(z.maxLength(4_096), z.regex(/^[^\0]*$/));

/** `node.labels.site == shop` and the like. */
export const constraintSchema = z.object({
  attribute: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("label"), key: shortText() }),
    z.object({ kind: z.literal("hostname") }),
    z.object({ kind: z.literal("arch") }),
    z.object({ kind: z.literal("id") }),
  ]),
  operator: z.enum(["==", "!="]),
  value: shortText(),
});
export type Constraint = z.infer<typeof constraintSchema>;
