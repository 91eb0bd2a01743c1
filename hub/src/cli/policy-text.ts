// Policies and what they refuse, in words for a terminal.
import type { PolicyView, ViolationView } from "../http/schemas/policies.ts";
import { visible } from "./escape.ts";
import { cell, type Paint, table, wrap } from "./render.ts";

const whose = ({ apps }: PolicyView): string => apps.join(", ") || "all";
const where = ({ nodeLabels }: PolicyView): string => nodeLabels.join(" or ") || "all";

export function policiesTable(policies: readonly PolicyView[], width: number | null, paint: Paint): string {
  const columns = [
    { title: "NAME", shrinksTo: null },
    { title: "PROFILE", shrinksTo: null },
    { title: "MODE", shrinksTo: null },
    { title: "APPS", shrinksTo: 8 },
    { title: "NODES", shrinksTo: 8 },
    { title: "GRANTS AND RULES", shrinksTo: 10 },
  ];
  const rows = policies.map((policy) => [
    cell(visible(policy.name), "bold"),
    cell(policy.profile),
    cell(policy.mode),
    cell(visible(whose(policy))),
    cell(visible(where(policy))),
    cell(visible(said(policy).join(", ") || "-")),
  ]);
  return table(columns, rows, width, paint);
}

/** Names of the grants and rules that say something. */
const said = ({ grants, rules }: PolicyView): readonly string[] =>
  Object.entries({ ...grants, ...rules }).flatMap(([key, value]) =>
    value === true || (Array.isArray(value) && value.length > 0) ? [key] : [],
  );

export function policyText(policy: PolicyView, paint: Paint): string {
  const lines = [
    `${paint("bold", visible(policy.name))}, revision ${policy.revision}`,
    `  profile  ${policy.profile}`,
    `  mode     ${policy.mode === "audit" ? "audit: what goes beyond it is told, and allowed" : "enforce"}`,
    `  apps     ${visible(whose(policy))}`,
    `  nodes    ${visible(where(policy))}`,
  ];
  for (const [key, value] of Object.entries(policy.grants))
    if (value.length > 0) lines.push(`  grants   ${key}: ${visible(value.map(grantWords).join(", "))}`);
  for (const [key, value] of Object.entries(policy.rules)) {
    if (value === true) lines.push(`  rules    ${key}`);
    else if (Array.isArray(value) && value.length > 0) lines.push(`  rules    ${key}: ${visible(value.join(", "))}`);
  }
  return `${lines.join("\n")}\n`;
}

const grantWords = (grant: string | { readonly path: string; readonly readOnly: boolean }): string =>
  typeof grant === "string" ? grant : `${grant.path} (${grant.readOnly ? "read only" : "writable"})`;

/** Violations told one by one; `--json` has all of them. */
const MAX_TOLD = 50;

export function violationsText(violations: readonly ViolationView[], width: number | null, paint: Paint): string {
  if (violations.length === 0) return "The policies refuse nothing of the apps that are there.\n";
  const lines = violations.slice(0, MAX_TOLD).map(({ app, service, node, message, enforced }) => {
    const place = node === null ? "" : ` on ${node.name}`;
    const word = enforced ? paint("bad", "refused") : paint("busy", "told   ");
    return wrap(`${word} `, visible(`${app}/${service}${place}: ${message}`), width, " ".repeat(8)).trimEnd();
  });
  const more = violations.length - MAX_TOLD;
  if (more > 0) lines.push(`… and ${more} more; --json has all of them`);
  const refused = violations.some(({ enforced }) => enforced);
  if (refused)
    lines.push("What runs goes on. What is refused cannot be applied again, scaled, or placed elsewhere as it is.");
  return `${lines.join("\n")}\n`;
}
