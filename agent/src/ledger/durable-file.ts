// Small files that survive a power cut at any instant: temp, fsync, rename, fsync of the folder; and the pair of two generations, for
// what must not be lost to one bad sector either. Synchronous: used at joining and at start, never on a beaten path.
import { createHash } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Secrets live in these files: for their owner's eyes only. */
const FILE_MODE = 0o600;

export function fsyncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** When it returns, the file holds `text` whatever happens next; when it throws, it holds what it held before. */
export function writeDurably(path: string, text: string): void {
  const temporary = `${path}.new`;
  try {
    const handle = openSync(temporary, "w", FILE_MODE);
    try {
      writeSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  fsyncFolder(dirname(path));
}

/** null when it is not there. */
export function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/**
 * Two files in turn, each with a generation and a checksum: a write never touches the newest good one.
 * A file: `sha256 generation body`, the checksum over "generation body".
 */
export class TwoGenerations {
  readonly #paths: readonly [string, string];
  #generation: number;
  #body: string | null;

  constructor(path: string) {
    this.#paths = [`${path}.a`, `${path}.b`];
    const found = this.#paths.map((one) => parseGeneration(readIfThereOrBroken(one)));
    const newest = found.reduce(
      (best, one) => (one !== null && (best === null || one.generation > best.generation) ? one : best),
      null,
    );
    this.#generation = newest?.generation ?? 0;
    this.#body = newest?.body ?? null;
  }

  /** The newest good generation; null: none. */
  read(): string | null {
    return this.#body;
  }

  write(body: string): void {
    const generation = this.#generation + 1;
    const sealed = `${generation} ${body}`;
    writeDurably(this.#paths[generation % 2 === 0 ? 0 : 1], `${checksum(sealed)} ${sealed}`);
    this.#generation = generation;
    this.#body = body;
  }
}

function readIfThereOrBroken(path: string): string | null {
  try {
    return readIfThere(path);
  } catch {
    // A sector that cannot be read is as good as a wrong checksum: the other generation stands.
    return null;
  }
}

function parseGeneration(text: string | null): { generation: number; body: string } | null {
  const match = /^([0-9a-f]{64}) (([0-9]{1,15}) (.*))$/s.exec(text ?? "");
  if (match === null || match[1] !== checksum(match[2] ?? "")) return null;
  return { generation: Number(match[3]), body: match[4] ?? "" };
}

const checksum = (text: string): string => createHash("sha256").update(text).digest("hex");
