// Shapes that several nouns of the API share: paging, errors, references. Requests are strict (an unknown field is an error of the
// caller); responses are what the OpenAPI document promises.
import { nodeIdSchema, nodeNameSchema } from "@skerry/shared/model/ids.ts";
import * as z from "zod";

/** A page that nobody asked the size of. Fits a screenful of a big fleet and costs milliseconds. */
export const DEFAULT_PAGE = 200;
/** The largest page: at about 700 bytes an item under 1 MB. */
export const MAX_PAGE = 1_000;

/** In a query every value is text. */
const queryInt = (least: number, most: number) => z.coerce.number().int().min(least).max(most);
export const limitSchema = queryInt(1, MAX_PAGE).default(DEFAULT_PAGE);
/** The `next` of the page before. */
export const afterSchema = z.string().min(1).max(256);
export const flagSchema = z
  .enum(["true", "false"])
  .default("false")
  .transform((text) => text === "true");
export const ifRevisionQuerySchema = queryInt(0, 2 ** 48);

/** One thing wrong in a request or in a Compose file. Lines and columns count from 1. */
export const problemSchema = z.object({
  /** "invalid-field" for a field of the request; for a Compose file one of the compiler's codes. */
  code: z.string(),
  message: z.string(),
  /** What to do next; "" when the message says it. */
  hint: z.string(),
  /** `services.web.ports[0]`, `files`; "" for the whole. */
  path: z.string(),
  line: z.number().int().nullable(),
  column: z.number().int().nullable(),
});
export type ApiProblem = z.infer<typeof problemSchema>;

/** Every answer with a status of 400 or more. */
export const errorSchema = z.object({
  /** Stable; see docs/api-errors.md. */
  code: z.string(),
  /** What happened, to what. */
  message: z.string(),
  /** What to do next. */
  hint: z.string(),
  /** The field or parameter that is at fault, if one is. */
  path: z.string().nullable(),
  /** All of them, when there may be several (invalid-request, invalid-compose). Empty otherwise. */
  problems: z.array(problemSchema),
});
export type ApiError = z.infer<typeof errorSchema>;

/** A node as it is named everywhere: the id for programs, the name for people. */
export const nodeRefSchema = z.object({ id: nodeIdSchema, name: nodeNameSchema });
export type NodeRef = z.infer<typeof nodeRefSchema>;

/** A page of a list. `next` goes into `after`; null: this was the last. `seq` goes into watch's `since` to carry on from here. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: z.string().nullable(), seq: z.number().int() });

/** A label's key: as Docker and Kubernetes people write them. */
export const labelKeySchema = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[a-zA-Z0-9](?:[a-zA-Z0-9._/-]*[a-zA-Z0-9])?$/, "letters, digits, '.', '_', '-' and '/', not at the ends");
export const labelValueSchema = z
  .string()
  .max(255)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  .regex(/^[^\u0000-\u001f\u007f]*$/, "no control characters");
/** More labels than this on one node are a mistake. */
export const MAX_LABELS = 64;
export const labelsSchema = z
  .record(labelKeySchema, labelValueSchema)
  .refine((labels) => Object.keys(labels).length <= MAX_LABELS, `at most ${MAX_LABELS} labels`);

/** Of a change that its address says whole. */
export const noBodySchema = z.nullish(z.strictObject({}));
