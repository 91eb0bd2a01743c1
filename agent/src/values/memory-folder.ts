// A folder whose files are in memory and on no disk: the run folder where that is a tmpfs, as /run is; else a tmpfs that is mounted there. Where
// neither can be had there is no folder: clear text is not written to a disk.
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, statfsSync } from "node:fs";

/** tmpfs and ramfs, as statfs names them. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x0102_1994, 0x8584_58f6]);
/** More than all values of a large assignment; only what is stored takes room. */
const SIZE = "256m";
const MOUNT_DEADLINE_MS = 10_000;

/** null: it is there. Else why not, as the end of a sentence. */
export async function haveMemoryFolder(path: string): Promise<string | null> {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (!isInMemory(path)) await mountMemory(path);
    if (!isInMemory(path)) return "it is on a disk, and mounting memory there had no effect";
    chmodSync(path, 0o700);
    return null;
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return words.trim().split("\n").at(-1) ?? "";
  }
}

const isInMemory = (path: string): boolean => IN_MEMORY.has(statfsSync(path).type);

async function mountMemory(path: string): Promise<void> {
  const words = ["-t", "tmpfs", "-o", `mode=0700,size=${SIZE},nosuid,nodev`, "skerry-values", path];
  await new Promise<void>((resolve, reject) => {
    execFile("mount", words, { timeout: MOUNT_DEADLINE_MS }, (error, _out, said) =>
      error === null ? resolve() : reject(new Error(said.trim() || error.message)),
    );
  });
}
