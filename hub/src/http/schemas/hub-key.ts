// The hub's key as pins: nothing of the key itself is ever told.
import * as z from "zod";

const pin = () => z.string().regex(/^[0-9a-f]{64}$/, "a pin: 64 hex digits");

export const hubKeySchema = z.object({
  /** own: the hub made its key itself and can change it; files: the operator's; proxy: of the proxy before it; plain: it has no TLS. */
  kind: z.enum(["own", "files", "proxy", "plain"]),
  pin: pin().nullable(),
  /** Of the key that is to follow; null: none was made. */
  next: pin().nullable(),
  nodes: z.number().int(),
  /** Names of nodes that have not said, since the hub's start, that they know the next pin. Empty without a next one. */
  unaware: z.array(z.string()),
});
export type HubKeyView = z.infer<typeof hubKeySchema>;

export const switchHubKeyBodySchema = z.strictObject({
  /** The pin of the next key, as shown: what is switched to is what was looked at. */
  to: pin(),
  /** Also when nodes do not know it yet: they then need a new join token each. */
  force: z.boolean().default(false),
});
