// Mark: what the hub hands a node at each start of its agent, and the node keeps and shows when it connects. Of two machines with one
// key only one can hold the newest. The count says which of two is newer, so that a hub with an older database does not mistake its own age.
import * as z from "zod/mini";
import { counterSchema } from "./ids.ts";

export const markSchema = z.object({
  count: counterSchema,
  /** 16 random bytes. */
  value: z.string().check(z.regex(/^[0-9a-f]{32}$/)),
});
export type Mark = z.infer<typeof markSchema>;
