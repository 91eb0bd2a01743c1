// npm run audit: asks the registry whether each installed package is signed by it, and whether weaknesses are known of any. A registry that
// cannot answer is said so, with another exit code than a bad answer: no answer is not a good one.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const DEADLINE_MS = 300_000;
const EXIT = { good: 0, bad: 1, unanswered: 2 } as const;
export type Verdict = keyof typeof EXIT;

const QUESTIONS = [
  { words: ["audit", "signatures"], about: "signatures of packages" },
  { words: ["audit", "--omit", "dev", "--audit-level", "low"], about: "known weaknesses of shipped packages" },
] as const;

/** What npm says when there was nobody to ask: codes of npm's and of the network's own. */
const UNANSWERED =
  /ENOAUDIT|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|E40[0-9]|E50[0-9]|audit endpoint|no dependencies to audit|found no|not implemented/i;

export function verdictOf(code: number | null, output: string): Verdict {
  if (code === 0 && !/found no/i.test(output)) return "good";
  return code === null || UNANSWERED.test(output) ? "unanswered" : "bad";
}

function main(): number {
  let worst: number = EXIT.good;
  for (const { words, about } of QUESTIONS) {
    const { status, stdout, stderr } = spawnSync("npm", [...words], {
      cwd: ROOT,
      encoding: "utf8",
      timeout: DEADLINE_MS,
    });
    const output = `${stdout}${stderr}`.trim();
    const verdict = verdictOf(status, output);
    console.log(`${about}: ${WORDS[verdict]}`);
    if (output !== "") console.log(output.replace(/^/gm, "  "));
    if (verdict === "bad") worst = EXIT.bad;
    if (verdict === "unanswered" && worst === EXIT.good) worst = EXIT.unanswered;
  }
  return worst;
}

const WORDS: Readonly<Record<Verdict, string>> = {
  good: "good",
  bad: "NOT GOOD; npm says:",
  unanswered:
    "not known: the registry in use does not answer this. Ask again where npm reaches registry.npmjs.org. npm says:",
};

if (import.meta.main) process.exitCode = main();
