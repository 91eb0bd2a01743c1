// Two texts as a unified diff, the way `diff -u` and git show it. Pure.
// It must stay cheap on any two files: past a bound it says "all of this for all of that", which is true too.
import { createTwoFilesPatch, FILE_HEADERS_ONLY, formatPatch, structuredPatch } from "diff";

/** Edits that are looked for. Their square is what it costs; two revisions of a file differ by tens. */
const MAX_EDITS = 1_000;
/** As many lines around each change as git shows. */
const OPTIONS = { context: 3, headerOptions: FILE_HEADERS_ONLY } as const;

/** "": the texts are the same. Line breaks are not compared: a file that was edited on Windows is the same file. */
export function unifiedDiff(from: string, to: string, fromName: string, toName: string): string {
  const [before, after] = [unixText(from), unixText(to)];
  if (before === after) return "";
  const bounded = { ...OPTIONS, maxEditLength: MAX_EDITS };
  return (
    createTwoFilesPatch(fromName, toName, before, after, undefined, undefined, bounded) ??
    wholeForWhole(before, after, fromName, toName)
  );
}

function unixText(text: string): string {
  const lines = text.replaceAll("\r\n", "\n");
  return lines === "" || lines.endsWith("\n") ? lines : `${lines}\n`;
}

/** One text taken out and the other put in: the library's own words for two files of which one is empty, joined. */
function wholeForWhole(from: string, to: string, fromName: string, toName: string): string {
  const patch = structuredPatch(fromName, toName, from, "");
  const [removed] = patch.hunks;
  const [added] = structuredPatch(fromName, toName, "", to).hunks;
  if (removed === undefined || added === undefined) return "";
  const hunk = { ...removed, newStart: 1, newLines: added.newLines, lines: [...removed.lines, ...added.lines] };
  return formatPatch({ ...patch, hunks: [hunk] }, FILE_HEADERS_ONLY);
}
