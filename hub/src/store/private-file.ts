// Small files in the hub's data folder that hold a secret: for their owner's eyes only, and whole after a power cut at any instant.
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
  const folder = fs.openSync(path.dirname(file), "r");
  try {
    fs.fsyncSync(folder);
  } finally {
    fs.closeSync(folder);
  }
}
