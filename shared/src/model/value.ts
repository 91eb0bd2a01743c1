// Values: secrets and configs, which containers get as files, and registry credentials, by which the node pulls. What names one. The content
// itself is in none of these shapes.
import * as z from "zod/mini";
import { appNameSchema } from "./ids.ts";
import { registryNamed } from "./image-name.ts";

/** As Docker's: 500 KiB. A certificate chain has 10. */
export const MAX_VALUE_BYTES = 512_000;
/** Files of one container. */
export const MAX_CONTAINER_FILES = 64;
/** As Docker's names of secrets. */
const MAX_VALUE_NAME = 64;

export const valueKindSchema = z.enum(["secret", "config", "registry"]);
export type ValueKind = z.infer<typeof valueKindSchema>;
/** Those that containers get as files. */
export type FileValueKind = Exclude<ValueKind, "registry">;

export const valueNameSchema = z
  .string()
  .check(
    z.minLength(1),
    z.maxLength(MAX_VALUE_NAME),
    z.regex(/^[a-zA-Z0-9](?:[a-zA-Z0-9._-]*[a-zA-Z0-9])?$/, "letters and digits, with . _ and - between them"),
  );

/** As `registryNamed` gives it: "docker.io", "10.0.0.9:5000", "[::1]:5000". */
const registryNameSchema = z
  .string()
  .check(z.refine((name) => registryNamed(name) === name, "a registry's host, with its port if it has one"));

/** 32 random hex digits: it says nothing about the content. Another version of a file means another container. */
export const valueVersionSchema = z.string().check(z.regex(/^[0-9a-f]{32}$/));

/** One version of one value. `app` null: the installation's; else that app's own, out of every other's reach. */
export const valueRefSchema = z.object({
  kind: valueKindSchema,
  app: z.nullable(appNameSchema),
  name: z.union([valueNameSchema, registryNameSchema]),
  version: valueVersionSchema,
});
export type ValueRef = z.infer<typeof valueRefSchema>;

/** A value as a file in a container. */
export const containerFileSchema = z.object({
  value: valueRefSchema.check(z.refine(({ kind }) => kind !== "registry", "a registry credential is no file")),
  /** Absolute. */
  target: z.string().check(z.minLength(2), z.maxLength(4_096), z.regex(/^\/[^\0]*$/)),
  mode: z.int().check(z.gte(0), z.lte(0o7777)),
  uid: z.int().check(z.gte(0), z.lte(4_294_967_294)),
  gid: z.int().check(z.gte(0), z.lte(4_294_967_294)),
});
export type ContainerFile = z.infer<typeof containerFileSchema>;
