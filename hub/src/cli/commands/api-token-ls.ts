// `skerry api-token ls`: API tokens without their secrets, and when each was last used.

import { scopeText } from "../../core/permission.ts";
import type { ApiTokenView } from "../../http/schemas/people.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect, listAll } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { age, cell, localTime, type Paint, painter, table } from "../render.ts";

export async function run(io: Io, options: HubOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const tokens = await listAll(await connect(io, options), "listApiTokens", {});
  if (options.json === true) io.out(`${safeJson({ items: tokens })}\n`);
  else if (tokens.length > 0) io.out(apiTokensTable(tokens, io.columns, painter(io), io.zoneOffsetMinutes));
  else io.err("There are no API tokens. Make one: skerry api-token create --name NAME --role ROLE\n");
  return EXIT.done;
}

export function apiTokensTable(
  tokens: readonly ApiTokenView[],
  width: number | null,
  paint: Paint,
  zoneOffsetMinutes: (atMs: number) => number,
): string {
  const columns = [
    { title: "NAME", shrinksTo: null },
    { title: "ROLE", shrinksTo: null },
    { title: "FOR", shrinksTo: 10 },
    { title: "EXPIRES", shrinksTo: null },
    { title: "LAST USED", shrinksTo: 10 },
    { title: "MADE BY", shrinksTo: 7 },
  ];
  const rows = tokens.map((token) => [
    cell(token.name, "bold"),
    cell(token.role),
    cell(scopeText(token)),
    token.expiresInMs <= 0 ? cell("expired", "bad") : cell(`in ${age(token.expiresInMs)}`),
    cell(
      token.lastUsedAtMs === null
        ? "never"
        : localTime(token.lastUsedAtMs, zoneOffsetMinutes(token.lastUsedAtMs)).slice(0, 16),
    ),
    cell(token.createdBy),
  ]);
  return table(columns, rows, width, paint);
}
