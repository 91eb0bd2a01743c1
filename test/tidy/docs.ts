// Pages that lead nowhere are worse than none: every relative link in a page must resolve, to its heading too.
import { posix } from "node:path";
import type { Finding, Tree } from "./tree.ts";

const LINK = /\[[^\]]*\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g;

/** `isThere` answers for files that are not in the tree: pictures, folders, configuration. */
export function checkLinks(tree: Tree, isThere: (path: string) => boolean): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree) {
    if (!path.endsWith(".md")) continue;
    for (const [, target = ""] of withoutCode(text).matchAll(LINK)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = "", heading] = target.split("#");
      const to = file === "" ? path : posix.normalize(posix.join(posix.dirname(path), file));
      const page = tree.get(to);
      if (page === undefined && !isThere(to)) findings.push({ path, says: `links to ${target}, which is not there` });
      else if (heading !== undefined && page !== undefined && !headingsOf(page).has(heading)) {
        findings.push({ path, says: `links to ${target}, and that page has no such heading` });
      }
    }
  }
  return findings;
}

function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
}

/** As GitHub names them: lower case, no punctuation, hyphens for spaces. */
function headingsOf(text: string): ReadonlySet<string> {
  const headings = text.matchAll(/^#+\s+(.+)$/gm);
  return new Set(
    [...headings].map(([, words = ""]) =>
      words
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .trim()
        .replaceAll(" ", "-"),
    ),
  );
}
