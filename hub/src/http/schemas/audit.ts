// The audit log: who changed what, and who was refused. Entries are given as they are stored, so that anybody can verify their chain.
import * as z from "zod";
import { limitSchema } from "./common.ts";

const linkSchema = z.object({ number: z.number().int(), hash: z.string() });

export const auditEntrySchema = z.object({
  /** From 1, without a gap. */
  number: z.number().int(),
  /** The hub's wall clock. */
  atMs: z.number(),
  /** null: nobody that is known here. */
  actor: z.string().nullable(),
  /** By which credential, never its secret. */
  credential: z.string().nullable(),
  /** Where it came from. */
  address: z.string().nullable(),
  /** How the caller's program calls itself, cut short. */
  agent: z.string().nullable(),
  /** The operation's id in this document. null: this stands for `count` refused requests that have no entry of their own. */
  what: z.string().nullable(),
  /** "app/shop", "node/van-7", "token/1a2b", "api-token/ci", "role/till-staff". */
  target: z.string().nullable(),
  /** A node's or an API token's id, when it is known. */
  targetId: z.string().nullable(),
  /** What the target was and what it became: a revision, words, or their SHA-256. */
  before: z.string().nullable(),
  after: z.string().nullable(),
  outcome: z.enum(["done", "refused"]),
  /** The error's code, when it was refused. */
  code: z.string().nullable(),
  /** 1; or how many this stands for. */
  count: z.number().int(),
  /** The hash of the entry before; 64 zeros before the first. */
  previous: z.string(),
  /** SHA-256 of the canonical JSON of all other fields: keys sorted, nulls left out. */
  hash: z.string(),
});
export type AuditEntryView = z.infer<typeof auditEntrySchema>;

const number = () => z.coerce.number().int().min(0);

export const listAuditQuery = z
  .strictObject({
    actor: z.string().min(1).max(256).optional(),
    /** "app/NAME", "node/NAME" or "node/ID", "token/ID", "api-token/NAME", "role/NAME". */
    target: z
      .string()
      .max(256)
      .regex(/^[a-z-]+\/./, "a kind and a name, such as app/shop")
      .optional(),
    /** Not older than this, by the hub's wall clock. */
    sinceMs: z.coerce.number().min(0).optional(),
    outcome: z.enum(["done", "refused"]).optional(),
    /** Entries with larger numbers, oldest first. */
    after: number().optional(),
    /** Entries with smaller numbers, newest first. Without either: the newest. */
    before: number().optional(),
    limit: limitSchema,
  })
  .refine(({ after, before }) => after === undefined || before === undefined, {
    path: ["before"],
    message: "`after` and `before` do not go together",
  });

export const auditPageSchema = z.object({
  items: z.array(auditEntrySchema),
  /** Goes into the same of `after` and `before`; null: there is nothing further. A page with few items, or none, may have a next one. */
  next: z.number().int().nullable(),
  /** The last entry that was let go: the chain of those that are kept begins behind it. */
  trimmed: linkSchema,
  /** The newest entry. */
  last: linkSchema,
});
export type AuditPageView = z.infer<typeof auditPageSchema>;
