// The hub itself: health, version, and the answer to "why".
import * as z from "zod";
import { eventViewSchema } from "./events.ts";

export const healthSchema = z.object({
  /** ok; full: no space left, reads go on, changes are refused; read-only: the store failed; stopping. */
  status: z.enum(["ok", "full", "read-only", "stopping"]),
  /** In plain words, with what to do. */
  reason: z.string(),
});
export type Health = z.infer<typeof healthSchema>;

export const versionSchema = z.object({
  version: z.string(),
  /** Of the API. */
  api: z.literal("v1"),
  /** Agents that speak these are served. */
  protocol: z.object({ version: z.number().int(), minimum: z.number().int() }),
  installation: z.string(),
  epoch: z.number().int(),
  node: z.string(),
});
export type Version = z.infer<typeof versionSchema>;

/** "shop", "shop/web", "shop/web/1", "node/van-7", "van-7". */
export const whyParams = z.strictObject({ "*": z.string().min(1).max(256) });
export const whySchema = z.object({
  target: z.string(),
  kind: z.enum(["app", "service", "workload", "node"]),
  /** true: nothing is wrong with it. */
  good: z.boolean(),
  /** The answer in one sentence. */
  answer: z.string(),
  /** What operators want of it: the revision, wishes, availability; since when, by whom and why. */
  wanted: z.array(z.string()).default([]),
  /** What nodes said of it, and how old that is. */
  seen: z.array(z.string()).default([]),
  /** The grounds, most telling first. */
  lines: z.array(
    z.object({
      /** What the line is about: a workload, a node, a condition; null: the target itself. */
      subject: z.string().nullable(),
      text: z.string(),
      /** What it follows from, the nearest cause first. */
      because: z.array(z.string()).default([]),
      /** What to do next; null: nothing. */
      hint: z.string().nullable(),
    }),
  ),
  /** Of a workload that is not good: the last lines that its container wrote, or what its health check answered. */
  output: z.array(z.string()).default([]),
  /** The last few that bear on it, oldest first. */
  events: z.array(eventViewSchema),
});
export type Why = z.infer<typeof whySchema>;
