// Join tokens: made once with their secret in the answer, listed ever after without it.
import * as z from "zod";
import { afterSchema, labelsSchema, limitSchema, pageOf } from "./common.ts";

/** One token for one van is the habit; a thousand for a factory is the most. */
export const MAX_TOKEN_USES = 10_000;
/** A day: long enough to walk to the machine. */
export const DEFAULT_TOKEN_LIFE_MS = 86_400_000;
/** A year: an image that is flashed into many machines. */
export const MAX_TOKEN_LIFE_MS = 31_536_000_000;

export const createTokenBodySchema = z.strictObject({
  uses: z.number().int().min(1).max(MAX_TOKEN_USES).default(1),
  expiresInMs: z.number().int().min(1_000).max(MAX_TOKEN_LIFE_MS).default(DEFAULT_TOKEN_LIFE_MS),
  /** Nodes that join with it get these; they win over what the node itself says. */
  labels: labelsSchema.default({}),
  /** Nodes that join with it are given nothing until an operator approves them. */
  approval: z.boolean().default(false),
});

export const tokenViewSchema = z.object({
  id: z.string(),
  usesLeft: z.number().int(),
  expiresAtMs: z.number(),
  /** By the hub's clock; negative: expired. */
  expiresInMs: z.number(),
  labels: z.record(z.string(), z.string()),
  approval: z.boolean().default(false),
  createdAtMs: z.number(),
  createdBy: z.string(),
});
export type TokenView = z.infer<typeof tokenViewSchema>;
/** The only answer with the secret in it: `token` is "skj1.<pin>.<id>.<secret>". */
export const createdTokenSchema = tokenViewSchema.extend({ token: z.string() });
export type CreatedToken = z.infer<typeof createdTokenSchema>;

export const tokenParams = z.strictObject({ token: z.string().regex(/^[0-9a-f]{8,32}$/, "a join token's id") });
export const listTokensQuery = z.strictObject({ limit: limitSchema, after: afterSchema.optional() });
export const tokenPageSchema = pageOf(tokenViewSchema);
export const removedTokenSchema = z.object({ id: z.string() });
