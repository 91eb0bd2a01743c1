// The repository as data: path → text, and a source file parsed once. The checkers take a tree, so that each can be shown a
// planted sample. It must read only what git would: nothing installed, built or cached.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import ts from "typescript";

/** Paths from the root, with slashes. */
export type Tree = ReadonlyMap<string, string>;

/** One thing to mend: where, and what. */
export interface Finding {
  readonly path: string;
  readonly says: string;
}

const ROOT = join(import.meta.dirname, "..", "..");
const FOLDERS = ["shared/src", "agent/src", "hub/src", "test", "deploy", "docs"];
const NOT_OURS = new Set(["node_modules", "dist", ".cache"]);
const WANTED = /\.(ts|tsx|md)$/;

export async function readTree(): Promise<Tree> {
  const paths = (await Promise.all(FOLDERS.map(walk))).flat();
  for (const name of await readdir(ROOT)) if (WANTED.test(name)) paths.push(name);
  const entries = paths.sort().map(async (path) => [path, await readFile(join(ROOT, path), "utf8")] as const);
  return new Map(await Promise.all(entries));
}

async function walk(folder: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, folder), { withFileTypes: true }).catch(() => []);
  const found = entries.map(async (entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : walk(path);
    return WANTED.test(entry.name) ? [path] : [];
  });
  return (await Promise.all(found)).flat();
}

const parsed = new Map<string, { readonly text: string; readonly file: ts.SourceFile }>();

export function parse(path: string, text: string): ts.SourceFile {
  const known = parsed.get(path);
  if (known?.text === text) return known.file;
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  parsed.set(path, { text, file });
  return file;
}

/** Calls `see` for every node of a file, outermost first. */
export function visit(file: ts.SourceFile, see: (node: ts.Node) => void): void {
  const go = (node: ts.Node): void => {
    see(node);
    ts.forEachChild(node, go);
  };
  go(file);
}

export function lineOf(file: ts.SourceFile, node: ts.Node): number {
  return file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
}

/** Source that ships: no tests, no tooling. */
export function isShipped(path: string): boolean {
  return /^(shared|agent|hub)\/src\/.*\.tsx?$/.test(path) && !isTest(path);
}

export function isTest(path: string): boolean {
  return path.startsWith("test/") || /\.test\.tsx?$/.test(path);
}

export function isSource(path: string): boolean {
  return /\.tsx?$/.test(path);
}
