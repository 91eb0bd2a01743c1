// A small file that only its owner can read, for keys and tokens. A power cut at any instant leaves what was there before, or the new one.
import * as fs from "node:fs";
import * as path from "node:path";

/** Whole or not at all, and durable: a new file, synced, renamed over the old one, and the folder synced. */
export function writePrivately(file: string, text: string): void {
  const fresh = `${file}.new`;
  fs.rmSync(fresh, { force: true });
  const handle = fs.openSync(fresh, "wx", 0o600);
  try {
    fs.writeSync(handle, text);
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
  fs.renameSync(fresh, file);
  syncFolderOf(file);
}

/** After a rename in it: only then is the new name durable. */
export function syncFolderOf(file: string): void {
  const folder = fs.openSync(path.dirname(file), "r");
  try {
    fs.fsyncSync(folder);
  } finally {
    fs.closeSync(folder);
  }
}

/** null: it is not there. */
export function readIfThere(file: string): string | null {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}
