// API tokens and own roles in rows. Read at the door for each request, so one token is found by its key. A row that cannot be read lets
// nobody in and stops nothing: it is shown as one that is good for nothing, so that it can be removed.
import { appNameSchema, type SpecHash, specHashSchema } from "@skerry/shared/model/ids.ts";
import type { Database, Statement } from "better-sqlite3";
import * as z from "zod/mini";
import type { ApiToken } from "../../core/change.ts";
import { isPermission, type Role } from "../../core/permission.ts";
import type { Store } from "../store.ts";
import { behind } from "./behind.ts";

export type PeopleRows = Pick<Store, "apiToken" | "apiTokens" | "apiTokenUses" | "roles" | "saveApiTokenUse">;
/** Told of each row that cannot be read once: "API token 1a2b3c4d5e6f". */
export type OnUnreadable = (what: string) => void;

// One app of a scope that cannot be read spoils the token: left out, the last of them would leave it bound to everything.
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

const roleSchema = z.object({ permissions: z.array(z.string()) });

interface TokenRow {
  readonly id: string;
  readonly body: string;
}
interface RoleRow {
  readonly name: string;
  readonly body: string;
}

export function preparePeople(db: Database, onUnreadable: OnUnreadable): PeopleRows {
  const one: Statement<[string], TokenRow> = db.prepare("SELECT id, body FROM api_token WHERE id = ?");
  const all: Statement<[], TokenRow> = db.prepare("SELECT id, body FROM api_token ORDER BY id");
  const uses: Statement<[], { id: string; atMs: number }> = db.prepare(
    "SELECT id, last_used_ms AS atMs FROM api_token WHERE last_used_ms IS NOT NULL",
  );
  const use = db.prepare("UPDATE api_token SET last_used_ms = ? WHERE id = ?");
  const roles: Statement<[], RoleRow> = db.prepare("SELECT name, body FROM role ORDER BY name");
  const say = once(onUnreadable);
  return {
    apiToken(id) {
      const row = one.get(id);
      return row === undefined ? null : toToken(row, say);
    },
    apiTokens: () => all.all().map((row) => toToken(row, say)),
    apiTokenUses: () => new Map(uses.all().map(({ id, atMs }) => [id, atMs])),
    roles: () => roles.all().map((row) => toRole(row, say)),
    saveApiTokenUse: (id, atMs) => behind(db, () => void use.run(atMs, id)),
  };
}

/** As many entries as there are such rows. */
export function once(tell: OnUnreadable): OnUnreadable {
  const told = new Set<string>();
  return (what) => {
    if (told.has(what)) return;
    told.add(what);
    tell(what);
  };
}

function toToken({ id, body }: TokenRow, say: OnUnreadable): ApiToken {
  const token = readable(apiTokenSchema, body);
  if (token?.id === id) return token;
  say(`API token ${id}`);
  return {
    id,
    name: `unreadable-${id}`,
    // No hash at all, so that no secret has it.
    secretHash: "" as SpecHash,
    // No role can be called so.
    role: "-",
    scope: { apps: [], nodeLabels: [] },
    expiresAtMs: 0,
    createdAtMs: 0,
    createdBy: "-",
  };
}

/** Without the permissions that only another version knows. */
function toRole({ name, body }: RoleRow, say: OnUnreadable): Role {
  const role = readable(roleSchema, body);
  const permissions = role?.permissions.filter(isPermission) ?? [];
  if (role === null || permissions.length < role.permissions.length) say(`role ${name}`);
  return { name, permissions };
}

export function readable<T>(schema: z.ZodMiniType<T>, text: string): T | null {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
