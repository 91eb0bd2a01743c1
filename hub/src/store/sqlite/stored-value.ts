// What a row tells of a secret, a config or a registry credential. A row that cannot be read as it stands stops the reading in plain words.
// What is in it is elsewhere, sealed.
import { appNameSchema } from "@skerry/shared/model/ids.ts";
import { valueKindSchema, valueRefSchema, valueVersionSchema } from "@skerry/shared/model/value.ts";
import * as z from "zod/mini";
import type { StoredValue } from "../../core/value.ts";

export const storedValueSchema: z.ZodMiniType<StoredValue> = z.object({
  kind: valueKindSchema,
  app: z.nullable(appNameSchema),
  name: valueRefSchema.shape.name,
  apps: z.array(appNameSchema),
  versions: z.array(
    z.object({ version: valueVersionSchema, bytes: z.number(), madeAtMs: z.number(), madeBy: z.string() }),
  ),
});
