// Writes the list of attempts into docs/SECURITY.md, between two marks; a test keeps it fresh. Run: node test/hostile/page.ts
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ATTEMPTS, type Attempt, type Shown } from "./attempts.ts";

const PAGE = join(import.meta.dirname, "..", "..", "docs", "SECURITY.md");
const BEGIN = "<!-- made by test/hostile/page.ts -->";
const END = "<!-- end of what is made -->";

/** The page with its table made anew from the list. */
export function withTable(page: string): string {
  const [before, after] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (before < 0 || after < before) throw new Error("docs/SECURITY.md lost the marks between which the table stands");
  return `${page.slice(0, before + BEGIN.length)}\n\n${table()}\n${page.slice(after)}`;
}

function table(): string {
  const rows = ATTEMPTS.map(
    (one) => `| ${one.id} | ${one.actor} | ${one.tries} | ${one.ends} | ${shownText(one.shown)} |`,
  );
  const [all, shown] = [ATTEMPTS.length, ATTEMPTS.filter(isShown).length];
  return [
    `${shown} of ${all} attempts are shown by tests, ${ATTEMPTS.filter(isShort).length} of these not in full.`,
    "",
    "| | by | tries | must end in | shown by |",
    "|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

const isShown = ({ shown }: Attempt): boolean => shown.by === "test";
const isShort = ({ shown }: Attempt): boolean => shown.by === "test" && shown.short !== "";

function shownText(shown: Shown): string {
  if (shown.by === "none") return `*Not shown.* ${shown.why}`;
  const files = shown.files.map((file) => `\`${file.replace(/^test\/(.*)\.test\.ts$/, "$1")}\``).join(", ");
  return shown.short === "" ? files : `${files}. *Not in full:* ${shown.short}`;
}

if (import.meta.main) writeFileSync(PAGE, withTable(readFileSync(PAGE, "utf8")));
