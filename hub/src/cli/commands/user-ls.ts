// `skerry user ls`: users, what each may do, and who has a second factor.
import { scopeText } from "../../core/permission.ts";
import type { UserView } from "../../http/schemas/users.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect, listAll } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { cell, localTime, type Paint, painter, table } from "../render.ts";

export async function run(io: Io, options: HubOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const users = await listAll(await connect(io, options), "listUsers", {});
  if (options.json === true) io.out(`${safeJson({ items: users })}\n`);
  else if (users.length > 0) io.out(usersTable(users, io.columns, painter(io), io.zoneOffsetMinutes));
  else io.err("There are no users. Make one: skerry user add NAME --role ROLE\n");
  return EXIT.done;
}

export function usersTable(
  users: readonly UserView[],
  width: number | null,
  paint: Paint,
  zoneOffsetMinutes: (atMs: number) => number,
): string {
  const columns = [
    { title: "NAME", shrinksTo: null },
    { title: "ROLE", shrinksTo: null },
    { title: "FOR", shrinksTo: 10 },
    { title: "STATE", shrinksTo: null },
    { title: "2ND FACTOR", shrinksTo: null },
    { title: "LAST USED", shrinksTo: 10 },
  ];
  const rows = users.map((user) => [
    cell(user.name, "bold"),
    cell(user.role),
    cell(scopeText(user)),
    user.disabled ? cell("disabled", "bad") : cell(user.sessions === 0 ? "logged out" : "logged in"),
    cell(user.secondFactor ? "yes" : "no"),
    cell(
      user.lastUsedAtMs === null
        ? "-"
        : localTime(user.lastUsedAtMs, zoneOffsetMinutes(user.lastUsedAtMs)).slice(0, 16),
    ),
  ]);
  return table(columns, rows, width, paint);
}
