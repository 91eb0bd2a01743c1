// Secrets, configs and registry credentials. What is in a secret, and a password, is in no answer; what is in a config is shown by one route.
import { appNameSchema, revisionSchema } from "@skerry/shared/model/ids.ts";
import { registryNamed } from "@skerry/shared/model/image-name.ts";
import { registryLoginSchema } from "@skerry/shared/model/registry-login.ts";
import { MAX_VALUE_BYTES, valueNameSchema } from "@skerry/shared/model/value.ts";
import * as z from "zod";
import { MAX_VALUE_APPS } from "../../core/value-command.ts";

/** Base64 of 500 KiB. */
const MAX_BASE64 = Math.ceil(MAX_VALUE_BYTES / 3) * 4;
export const contentSchema = z
  .string()
  .max(MAX_BASE64)
  .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, "base64")
  .refine((text) => Buffer.byteLength(text, "base64") <= MAX_VALUE_BYTES, `at most ${MAX_VALUE_BYTES} bytes`);

/** The contents that a Compose file names beside itself, by "secrets.KEY" or "configs.KEY". */
export const sentValuesSchema = z
  .record(z.string().regex(/^(?:secrets|configs)\.[a-zA-Z0-9._-]{1,200}$/), contentSchema)
  .refine((values) => Object.keys(values).length <= 128, "at most 128 values")
  .default({});

export const secretParams = z.strictObject({ secret: valueNameSchema });
export const configParams = z.strictObject({ config: valueNameSchema });

export const setValueBodySchema = z.strictObject({
  /** Base64. */
  value: contentSchema,
  /** The apps that may use it; none: those that are deployed by somebody who may deploy every app. */
  apps: z.array(appNameSchema).max(MAX_VALUE_APPS).default([]),
});
export const valueSetSchema = z.object({
  name: z.string(),
  /** Random: it says nothing of what is in it. */
  version: z.string(),
  created: z.boolean(),
  /** false: all was so already. */
  changed: z.boolean(),
  /** Apps that use it: each has a new revision now, which rolls out. */
  revised: z.array(z.object({ app: appNameSchema, revision: revisionSchema })),
});
export type ValueSet = z.infer<typeof valueSetSchema>;

export const valueViewSchema = z.object({
  name: z.string(),
  /** null: the installation's; else it came with that app's file. */
  app: z.nullable(appNameSchema),
  apps: z.array(appNameSchema),
  version: z.string(),
  bytes: z.number().int(),
  setAtMs: z.number(),
  setBy: z.string(),
  /** Apps whose present revision uses it. */
  usedBy: z.array(appNameSchema),
  /** false: the key to it is lost; nodes that have it keep it, others cannot get it. */
  readable: z.boolean(),
});
export type ValueView = z.infer<typeof valueViewSchema>;
export const valueListSchema = z.object({ items: z.array(valueViewSchema), seq: z.number().int() });

/** `app`: that app's own config of this name. */
export const getConfigQuery = z.strictObject({ app: z.optional(appNameSchema) });
/** `value`: base64. */
export const configSchema = valueViewSchema.extend({ value: z.string() });
export const removedValueSchema = z.object({ name: z.string() });

/** However people write it: "https://index.docker.io/v1/" is docker.io. */
export const registryParams = z.strictObject({
  registry: z
    .string()
    .max(300)
    .transform((text, context) => {
      const name = registryNamed(text);
      if (name === null) context.addIssue("a registry's host, with its port if it has one");
      return name ?? "";
    }),
});
export const setRegistryBodySchema = z.strictObject({
  user: registryLoginSchema.shape.user,
  password: registryLoginSchema.shape.password,
  /** The apps whose images may be pulled by it; none: apps that are deployed by somebody who may deploy every app. Absent: as before. */
  apps: z.optional(z.array(appNameSchema).max(MAX_VALUE_APPS)),
});
export const registrySetSchema = z.object({
  registry: z.string(),
  created: z.boolean(),
  /** false: all was so already. */
  changed: z.boolean(),
  /** Apps whose images are pulled by it, as far as the caller may see them. */
  usedBy: z.array(appNameSchema),
});
export type RegistrySet = z.infer<typeof registrySetSchema>;
export const registryViewSchema = z.object({
  registry: z.string(),
  /** null: the key to it is lost. */
  user: z.nullable(z.string()),
  apps: z.array(appNameSchema),
  setAtMs: z.number(),
  setBy: z.string(),
  usedBy: z.array(appNameSchema),
});
export type RegistryView = z.infer<typeof registryViewSchema>;
export const registryListSchema = z.object({ items: z.array(registryViewSchema), seq: z.number().int() });
export const removedRegistrySchema = z.object({ registry: z.string() });

/** `left`: versions that no key of the ring opens. */
export const rotatedSchema = z.object({ rewrapped: z.number().int(), left: z.number().int(), keys: z.number().int() });
