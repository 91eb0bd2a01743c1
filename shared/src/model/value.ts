// Values: secrets and configs. What names one, and how a container gets it as a file. The content itself is in none of these shapes.
import * as z from "zod/mini";
import { appNameSchema } from "./ids.ts";

/** As Docker's: 500 KiB. A certificate chain has 10. */
export const MAX_VALUE_BYTES = 512_000;
/** Files of one container. */
export const MAX_CONTAINER_FILES = 64;
/** As Docker's names of secrets. */
const MAX_VALUE_NAME = 64;

export const valueKindSchema = z.enum(["secret", "config"]);
export type ValueKind = z.infer<typeof valueKindSchema>;

export const valueNameSchema = z
  .string()
  .check(
    z.minLength(1),
    z.maxLength(MAX_VALUE_NAME),
    z.regex(/^[a-zA-Z0-9](?:[a-zA-Z0-9._-]*[a-zA-Z0-9])?$/, "letters and digits, with . _ and - between them"),
  );

/** 32 random hex digits: it says nothing about the content. Another version means another container. */
export const valueVersionSchema = z.string().check(z.regex(/^[0-9a-f]{32}$/));

/** One version of one value. `app` null: the installation's; else that app's own, out of every other's reach. */
export const valueRefSchema = z.object({
  kind: valueKindSchema,
  app: z.nullable(appNameSchema),
  name: valueNameSchema,
  version: valueVersionSchema,
});
export type ValueRef = z.infer<typeof valueRefSchema>;

/** A value as a file in a container. */
export const containerFileSchema = z.object({
  value: valueRefSchema,
  /** Absolute. */
  target: z.string().check(z.minLength(2), z.maxLength(4_096), z.regex(/^\/[^\0]*$/)),
  mode: z.int().check(z.gte(0), z.lte(0o7777)),
  uid: z.int().check(z.gte(0), z.lte(4_294_967_294)),
  gid: z.int().check(z.gte(0), z.lte(4_294_967_294)),
});
export type ContainerFile = z.infer<typeof containerFileSchema>;
