// Users and sessions in rows. Read at the door for each request of a session, so each is found by its key. A row that cannot be read lets nobody
// in and stops nothing: a user is shown as one that is disabled, so that he can be removed; a session is none.
import { appNameSchema, specHashSchema } from "@skerry/shared/model/ids.ts";
import type { Database, Statement } from "better-sqlite3";
import * as z from "zod/mini";
import type { Session, User } from "../../core/user.ts";
import type { Store } from "../store.ts";
import { behind } from "./behind.ts";
import { type OnUnreadable, once, readable } from "./people.ts";

export type UserRows = Pick<Store, "user" | "users" | "session" | "sessionsOf" | "sessionUses" | "saveSessionUse">;

const hex = z.string().check(z.regex(/^[0-9a-f]+$/));
const passwordSchema = z.object({
  kind: z.literal("scrypt"),
  n: z.int(),
  r: z.int(),
  p: z.int(),
  salt: hex,
  hash: hex,
});
// One app of a scope that cannot be read spoils the user: left out, the last of them would leave him bound to everything.
const userSchema = z.object({
  name: z.string(),
  password: passwordSchema,
  role: z.string(),
  scope: z.object({ apps: z.array(appNameSchema), nodeLabels: z.array(z.string()) }),
  disabled: z.boolean(),
  secondFactor: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("none") }),
    z.object({ kind: z.literal("pending"), sealedSecret: z.string() }),
    z.object({
      kind: z.literal("on"),
      sealedSecret: z.string(),
      lastStep: z.number(),
      recoveryHashes: z.array(specHashSchema),
    }),
  ]),
  createdAtMs: z.number(),
  createdBy: z.string(),
});
const sessionSchema = z.object({
  id: z.string(),
  user: z.string(),
  secretHash: specHashSchema,
  createdAtMs: z.number(),
});

interface UserRow {
  readonly name: string;
  readonly body: string;
}
interface SessionRow {
  readonly id: string;
  readonly body: string;
}

export function prepareUsers(db: Database, onUnreadable: OnUnreadable): UserRows {
  const one: Statement<[string], UserRow> = db.prepare("SELECT name, body FROM user WHERE name = ?");
  const all: Statement<[], UserRow> = db.prepare("SELECT name, body FROM user ORDER BY name");
  const session: Statement<[string], SessionRow> = db.prepare("SELECT id, body FROM session WHERE id = ?");
  const sessions: Statement<[string], SessionRow> = db.prepare(
    "SELECT id, body FROM session WHERE user = ? ORDER BY id",
  );
  const uses: Statement<[string], { id: string; atMs: number }> = db.prepare(
    "SELECT id, last_used_ms AS atMs FROM session WHERE user = ? AND last_used_ms IS NOT NULL",
  );
  const use = db.prepare("UPDATE session SET last_used_ms = ? WHERE id = ?");
  const say = once(onUnreadable);
  return {
    user(name) {
      const row = one.get(name);
      return row === undefined ? null : toUser(row, say);
    },
    users: () => all.all().map((row) => toUser(row, say)),
    session(id) {
      const row = session.get(id);
      return row === undefined ? null : toSession(row, say);
    },
    sessionsOf: (user) => sessions.all(user).flatMap((row) => toSession(row, say) ?? []),
    sessionUses: (user) => new Map(uses.all(user).map(({ id, atMs }) => [id, atMs])),
    saveSessionUse: (id, atMs) => behind(db, () => void use.run(atMs, id)),
  };
}

function toUser({ name, body }: UserRow, say: OnUnreadable): User {
  const user = readable(userSchema, body);
  if (user?.name === name) return user;
  say(`user ${name}`);
  return {
    name,
    // No hash at all, so that no password has it.
    password: { kind: "scrypt", n: 2, r: 1, p: 1, salt: "", hash: "" },
    // No role can be called so.
    role: "-",
    scope: { apps: [], nodeLabels: [] },
    disabled: true,
    secondFactor: { kind: "none" },
    createdAtMs: 0,
    createdBy: "-",
  };
}

/** Without a hash to compare with it lets nobody in. */
function toSession({ id, body }: SessionRow, say: OnUnreadable): Session | null {
  const session = readable(sessionSchema, body);
  if (session?.id === id) return session;
  say(`session ${id}`);
  return null;
}
