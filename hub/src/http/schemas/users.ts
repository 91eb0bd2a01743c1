// Users, their sessions and second factors, and the set-up. Passwords come in, and never go out.
import { appNameSchema } from "@skerry/shared/model/ids.ts";
import * as z from "zod";
import { MAX_SCOPE } from "../../core/people-command.ts";
import { MAX_PASSWORD_CHARACTERS } from "../../core/user.ts";
import { afterSchema, limitSchema, pageOf } from "./common.ts";
import { nameSchema, nodeLabelSchema, scopeFields } from "./people.ts";

/** Which passwords will do is the hub's to say: here only that it is not hashed without end. Some characters count as two. */
const passwordSchema = z
  .string()
  .min(1)
  .max(2 * MAX_PASSWORD_CHARACTERS);
/** Six digits, or a recovery code, with the blanks and dashes that people type. */
const codeSchema = z.string().min(6).max(40);

const bindingFields = {
  role: nameSchema,
  apps: z.array(appNameSchema).max(MAX_SCOPE).default([]),
  nodeLabels: z.array(nodeLabelSchema).max(MAX_SCOPE).default([]),
};

export const userParams = z.strictObject({ user: nameSchema });
export const addUserBodySchema = z.strictObject({ name: nameSchema, password: passwordSchema, ...bindingFields });
export const setUserRoleBodySchema = z.strictObject(bindingFields);
export const setUserEnabledBodySchema = z.strictObject({ enabled: z.boolean() });
export const setUserPasswordBodySchema = z.strictObject({ password: passwordSchema });

export const userViewSchema = z.object({
  name: z.string(),
  role: z.string(),
  ...scopeFields,
  disabled: z.boolean(),
  secondFactor: z.boolean(),
  /** Logins that are not over. */
  sessions: z.number().int(),
  /** Of these, to about a minute; null: none is, or none was used. */
  lastUsedAtMs: z.number().nullable(),
  createdAtMs: z.number(),
  createdBy: z.string(),
});
export type UserView = z.infer<typeof userViewSchema>;
export const listUsersQuery = z.strictObject({ limit: limitSchema, after: afterSchema.optional() });
export const userPageSchema = pageOf(userViewSchema);
/** `changed` false: it was so already. */
export const changedUserSchema = userViewSchema.extend({ changed: z.boolean() });
export const removedUserSchema = z.object({ name: z.string() });

/** `as`: browsers get a cookie that no script can read, programs a token to send as bearer. */
export const logInBodySchema = z.strictObject({
  name: nameSchema,
  password: passwordSchema,
  code: codeSchema.optional(),
  as: z.enum(["cookie", "token"]).default("cookie"),
});
export const loggedInSchema = z.object({
  name: z.string(),
  /** "sks1.<id>.<secret>", in this answer only; null: it is in the cookie. */
  token: z.string().nullable(),
  /** If it is used no more. */
  expiresInMs: z.number(),
});
export const logOutQuery = z.strictObject({ everywhere: z.enum(["true", "false"]).optional() });
export const loggedOutSchema = z.object({ ended: z.number().int() });
export const changePasswordBodySchema = z.strictObject({
  password: passwordSchema,
  code: codeSchema.optional(),
  newPassword: passwordSchema,
});
export const changedPasswordSchema = z.object({ name: z.string() });

/** Of the second factor: asked for again, with a code once it is on. */
export const passwordBodySchema = z.strictObject({ password: passwordSchema, code: codeSchema.optional() });
/** In this answer only. `secret` is base 32, `uri` the same for an app. */
export const begunSecondFactorSchema = z.object({ name: z.string(), secret: z.string(), uri: z.string() });
export const confirmSecondFactorBodySchema = z.strictObject({ code: codeSchema });
/** In this answer only; each counts once. */
export const recoveryCodesSchema = z.object({ name: z.string(), recoveryCodes: z.array(z.string()) });
export const secondFactorSchema = z.object({ name: z.string(), secondFactor: z.boolean() });

export const setUpBodySchema = z.strictObject({
  code: z.string().min(1).max(64),
  name: nameSchema,
  password: passwordSchema,
});
export const setUpAnswerSchema = z.object({ name: z.string(), role: z.string() });
