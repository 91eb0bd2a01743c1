// Two texts as a unified diff, the way `diff -u` and git show it. Pure.
// It must stay cheap on any two files: past a bound it says "all of this for all of that", which is true too.

/** As many lines around each change as git shows. */
const CONTEXT = 3;
/** Edits that are looked for. Their square is what it costs; two revisions of a file differ by tens. */
const MAX_EDITS = 1_000;

type Line = { readonly kind: " " | "-" | "+"; readonly text: string };

/** "": the texts are the same. Lines end with a line break. */
export function unifiedDiff(from: string, to: string, fromName: string, toName: string): string {
  const lines = diffLines(splitLines(from), splitLines(to));
  const hunks = hunksOf(lines);
  if (hunks.length === 0) return "";
  return [`--- ${fromName}`, `+++ ${toName}`, ...hunks.flat(), ""].join("\n");
}

function splitLines(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function diffLines(a: readonly string[], b: readonly string[]): Line[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const kept = (text: string): Line => ({ kind: " ", text });
  return [
    ...a.slice(0, start).map(kept),
    ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...a.slice(a.length - end).map(kept),
  ];
}

/** Myers, "An O(ND) Difference Algorithm" (1986): the furthest point on each diagonal after d edits; then back along the trace. */
function middle(a: readonly string[], b: readonly string[]): Line[] {
  const trace: Map<number, number>[] = [];
  let furthest = new Map([[1, 0]]);
  for (let edits = 0; edits <= Math.min(MAX_EDITS, a.length + b.length); edits++) {
    trace.push(furthest);
    const next = new Map<number, number>();
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = stepTo(furthest, diagonal, edits);
      while (x < a.length && x - diagonal < b.length && a[x] === b[x - diagonal]) x += 1;
      next.set(diagonal, x);
      if (x >= a.length && x - diagonal >= b.length) return walkBack(trace, a, b);
    }
    furthest = next;
  }
  return [...a.map((text): Line => ({ kind: "-", text })), ...b.map((text): Line => ({ kind: "+", text }))];
}

const at = (furthest: ReadonlyMap<number, number>, diagonal: number): number => furthest.get(diagonal) ?? -1;

function comesFromAbove(furthest: ReadonlyMap<number, number>, diagonal: number, edits: number): boolean {
  return diagonal === -edits || (diagonal !== edits && at(furthest, diagonal - 1) < at(furthest, diagonal + 1));
}

function stepTo(furthest: ReadonlyMap<number, number>, diagonal: number, edits: number): number {
  return comesFromAbove(furthest, diagonal, edits) ? at(furthest, diagonal + 1) : at(furthest, diagonal - 1) + 1;
}

function walkBack(trace: readonly Map<number, number>[], a: readonly string[], b: readonly string[]): Line[] {
  const lines: Line[] = [];
  let x = a.length;
  let y = b.length;
  for (let edits = trace.length - 1; edits >= 0; edits--) {
    const furthest = trace[edits] ?? new Map<number, number>();
    const diagonal = x - y;
    const above = comesFromAbove(furthest, diagonal, edits);
    const fromDiagonal = above ? diagonal + 1 : diagonal - 1;
    const fromX = edits === 0 ? 0 : at(furthest, fromDiagonal);
    const fromY = edits === 0 ? 0 : fromX - fromDiagonal;
    while (x > fromX && y > fromY) {
      x -= 1;
      y -= 1;
      lines.push({ kind: " ", text: a[x] ?? "" });
    }
    if (edits === 0) break;
    if (above) lines.push({ kind: "+", text: b[fromY] ?? "" });
    else lines.push({ kind: "-", text: a[fromX] ?? "" });
    x = fromX;
    y = fromY;
  }
  return lines.reverse();
}

function hunksOf(lines: readonly Line[]): string[][] {
  const changed = lines.flatMap(({ kind }, index) => (kind === " " ? [] : [index]));
  const ranges: { from: number; to: number }[] = [];
  for (const index of changed) {
    const last = ranges.at(-1);
    if (last !== undefined && index - CONTEXT <= last.to) last.to = index + CONTEXT + 1;
    else ranges.push({ from: Math.max(0, index - CONTEXT), to: index + CONTEXT + 1 });
  }
  const hunks: string[][] = [];
  let [a, b, next] = [0, 0, 0];
  for (const { from, to } of ranges) {
    for (const { kind } of lines.slice(next, from)) {
      if (kind !== "+") a += 1;
      if (kind !== "-") b += 1;
    }
    const inside = lines.slice(from, to);
    next = from + inside.length;
    const inA = inside.filter(({ kind }) => kind !== "+").length;
    const inB = inside.filter(({ kind }) => kind !== "-").length;
    hunks.push([`@@ -${place(a, inA)} +${place(b, inB)} @@`, ...inside.map(({ kind, text }) => kind + text)]);
    a += inA;
    b += inB;
  }
  return hunks;
}

/** As `diff -u` counts: from 1, and of nothing the line before. */
function place(before: number, count: number): string {
  const start = count === 0 ? before : before + 1;
  return count === 1 ? String(start) : `${start},${count}`;
}
