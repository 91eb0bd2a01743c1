// A small file that survives a power cut at any instant, for its owner alone: keys, tokens, and what they open. Synchronous: used at joining, at
// start and when a key is changed, never on a beaten path.
import * as fs from "node:fs";
import * as path from "node:path";

const FILE_MODE = 0o600;

/** When it returns, the file holds `text` whatever happens next; when it throws what the file system throws, it holds what it held before. */
export function writeDurably(file: string, text: string): void {
  const fresh = `${file}.new`;
  try {
    // What a crash left behind may have another mode.
    fs.rmSync(fresh, { force: true });
    const handle = fs.openSync(fresh, "wx", FILE_MODE);
    try {
      fs.writeSync(handle, text);
      fs.fsyncSync(handle);
    } finally {
      fs.closeSync(handle);
    }
    fs.renameSync(fresh, file);
  } catch (error) {
    fs.rmSync(fresh, { force: true });
    throw error;
  }
  syncFolderOf(file);
}

/** After a file was made, renamed or removed: only then is that durable. */
export function syncFolderOf(file: string): void {
  const folder = fs.openSync(path.dirname(file), "r");
  try {
    fs.fsyncSync(folder);
  } finally {
    fs.closeSync(folder);
  }
}

/** null when it is not there; throws what else the file system throws. */
export function readIfThere(file: string): string | null {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}
