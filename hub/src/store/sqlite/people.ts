// API tokens and own roles in rows. Read at the door for each request, so one token is found by its key.
import { appNameSchema, specHashSchema } from "@skerry/shared/model/ids.ts";
import type { Database, Statement } from "better-sqlite3";
import * as z from "zod/mini";
import { PERMISSIONS } from "../../core/permission.ts";
import type { Store } from "../store.ts";
import { behind } from "./behind.ts";
import { json, parse } from "./load.ts";

export type PeopleRows = Pick<Store, "apiToken" | "apiTokens" | "apiTokenUses" | "roles" | "saveApiTokenUse">;

const apiTokenSchema = z.object({
  id: z.string(),
  name: z.string(),
  secretHash: specHashSchema,
  role: z.string(),
  scope: z.object({ apps: z.array(appNameSchema), nodeLabels: z.array(z.string()) }),
  expiresAtMs: z.number(),
  createdAtMs: z.number(),
  createdBy: z.string(),
});

const roleSchema = z.object({ name: z.string(), permissions: z.array(z.enum(PERMISSIONS)) });

export function preparePeople(db: Database): PeopleRows {
  const one: Statement<[string], { body: string }> = db.prepare("SELECT body FROM api_token WHERE id = ?");
  const all: Statement<[], { body: string }> = db.prepare("SELECT body FROM api_token ORDER BY id");
  const uses: Statement<[], { id: string; atMs: number }> = db.prepare(
    "SELECT id, last_used_ms AS atMs FROM api_token WHERE last_used_ms IS NOT NULL",
  );
  const use = db.prepare("UPDATE api_token SET last_used_ms = ? WHERE id = ?");
  const roles: Statement<[], { body: string }> = db.prepare("SELECT body FROM role ORDER BY name");
  const tokenOf = ({ body }: { body: string }) => parse("API token", apiTokenSchema, json("API token", body));
  return {
    apiToken(id) {
      const row = one.get(id);
      return row === undefined ? null : tokenOf(row);
    },
    apiTokens: () => all.all().map(tokenOf),
    apiTokenUses: () => new Map(uses.all().map(({ id, atMs }) => [id, atMs])),
    roles: () => roles.all().map(({ body }) => parse("role", roleSchema, json("role", body))),
    saveApiTokenUse: (id, atMs) => behind(db, () => void use.run(atMs, id)),
  };
}
