// People and programs: API tokens, roles, and what the caller may do.
import { appNameSchema } from "@skerry/shared/model/ids.ts";
import * as z from "zod";
import { MAX_API_TOKEN_LIFE_MS, MAX_SCOPE } from "../../core/people-command.ts";
import { PERMISSIONS } from "../../core/permission.ts";
import { afterSchema, labelKeySchema, labelValueSchema, limitSchema, pageOf } from "./common.ts";

/** A quarter: long enough that nobody makes a habit of "never", short enough that a forgotten one ends. */
export const DEFAULT_API_TOKEN_LIFE_MS = 7_776_000_000;

/** Of tokens and roles; the rule is the hub's to say. */
export const nameSchema = z.string().min(1).max(63);
const permissionSchema = z.enum(PERMISSIONS);

/** "site=farm". */
export const nodeLabelSchema = z
  .string()
  .max(512)
  .refine((text) => {
    const at = text.indexOf("=");
    return (
      at > 0 &&
      labelKeySchema.safeParse(text.slice(0, at)).success &&
      labelValueSchema.safeParse(text.slice(at + 1)).success
    );
  }, "a label as KEY=VALUE");

/** Both empty: everything. Else these apps, and nodes that have one of these labels. */
export const scopeFields = { apps: z.array(appNameSchema), nodeLabels: z.array(z.string()) };

export const createApiTokenBodySchema = z.strictObject({
  /** "ci", "anna": unique, and in the events beside what is done with it. */
  name: nameSchema,
  role: nameSchema,
  apps: z.array(appNameSchema).max(MAX_SCOPE).default([]),
  nodeLabels: z.array(nodeLabelSchema).max(MAX_SCOPE).default([]),
  expiresInMs: z.number().int().min(1_000).max(MAX_API_TOKEN_LIFE_MS).default(DEFAULT_API_TOKEN_LIFE_MS),
});

export const apiTokenViewSchema = z.object({
  id: z.string(),
  name: z.string(),
  role: z.string(),
  ...scopeFields,
  expiresAtMs: z.number(),
  /** By the hub's clock; negative: expired. */
  expiresInMs: z.number(),
  /** To about a minute; null: never. */
  lastUsedAtMs: z.number().nullable(),
  createdAtMs: z.number(),
  createdBy: z.string(),
});
export type ApiTokenView = z.infer<typeof apiTokenViewSchema>;
/** The only answer with the secret in it: `token` is "skt1.<id>.<secret>". */
export const createdApiTokenSchema = apiTokenViewSchema.extend({ token: z.string() });
export type CreatedApiToken = z.infer<typeof createdApiTokenSchema>;

/** Id or name; an id wins. */
export const apiTokenParams = z.strictObject({ token: nameSchema });
export const listApiTokensQuery = z.strictObject({ limit: limitSchema, after: afterSchema.optional() });
export const apiTokenPageSchema = pageOf(apiTokenViewSchema);
export const removedApiTokenSchema = z.object({ id: z.string(), name: z.string() });

export const roleParams = z.strictObject({ role: nameSchema });
export const setRoleBodySchema = z.strictObject({
  permissions: z.array(permissionSchema).min(1).max(PERMISSIONS.length),
});
export const roleViewSchema = z.object({
  name: z.string(),
  /** Cannot be changed or removed. */
  builtin: z.boolean(),
  permissions: z.array(permissionSchema),
});
export type RoleView = z.infer<typeof roleViewSchema>;
export const roleListSchema = z.object({ items: z.array(roleViewSchema) });
/** `changed` false: it was so already. */
export const changedRoleSchema = roleViewSchema.extend({ changed: z.boolean() });
export const removedRoleSchema = z.object({ name: z.string() });

export const whoamiSchema = z.object({
  /** As it stands in events: "admin", "token ci". */
  name: z.string(),
  /** "admin-token", "api-token/1a2b3c4d5e6f", "session/1a2b3c4d5e6f". */
  credential: z.string(),
  roles: z.array(z.object({ role: z.string(), ...scopeFields })),
  /** That reach something. */
  permissions: z.array(permissionSchema),
  /** null: never. */
  expiresInMs: z.number().nullable(),
});
export type Whoami = z.infer<typeof whoamiSchema>;

export const canIQuery = z.strictObject({
  permission: permissionSchema,
  /** The app or node it is about; left out: any of them. */
  name: z.string().min(1).max(63).optional(),
});
export const canISchema = z.object({
  allowed: z.boolean(),
  permission: permissionSchema,
  name: z.string().nullable(),
  /** In plain words. */
  reason: z.string(),
  /** Who may give what is missing; "" when nothing is. */
  hint: z.string(),
});
export type CanI = z.infer<typeof canISchema>;
