// `skerry token ls`: join tokens without their secrets.
import type { TokenView } from "../../http/schemas/tokens.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect, listAll } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { age, cell, labels, localTime, type Paint, painter, table } from "../render.ts";

export async function run(io: Io, options: HubOptions & { readonly json?: boolean }): Promise<ExitCode> {
  const tokens = await listAll(await connect(io, options), "listTokens", {});
  if (options.json === true) io.out(`${safeJson({ items: tokens })}\n`);
  else if (tokens.length > 0) io.out(tokensTable(tokens, io.columns, painter(io), io.zoneOffsetMinutes));
  else io.err("There are no join tokens. Make one: skerry token create\n");
  return EXIT.done;
}

export function tokensTable(
  tokens: readonly TokenView[],
  width: number | null,
  paint: Paint,
  zoneOffsetMinutes: (atMs: number) => number,
): string {
  const columns = [
    { title: "ID", shrinksTo: null },
    { title: "USES LEFT", shrinksTo: null, right: true },
    { title: "EXPIRES", shrinksTo: null },
    { title: "CREATED", shrinksTo: 10 },
    { title: "LABELS", shrinksTo: 8 },
  ];
  const rows = tokens.map((token) => [
    cell(token.id, "bold"),
    cell(token.usesLeft),
    token.expiresInMs <= 0 ? cell("expired", "bad") : cell(`in ${age(token.expiresInMs)}`),
    cell(localTime(token.createdAtMs, zoneOffsetMinutes(token.createdAtMs)).slice(0, 16)),
    cell([labels(token.labels), ...(token.approval ? ["(asks for approval)"] : [])].filter(Boolean).join(" ") || "-"),
  ]);
  return table(columns, rows, width, paint);
}
