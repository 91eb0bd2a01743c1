// The keyring's file: for its owner alone, replaced in one step and durable when the call returns. One line for each key, the current one last.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

export interface RingKey {
  readonly id: string;
  readonly secret: Buffer;
}

export type KeyFile =
  | { readonly kind: "missing" }
  | { readonly kind: "damaged"; readonly reason: string }
  | { readonly kind: "keys"; readonly keys: readonly RingKey[] };

const HEAD = "skerry keys 1";
const LINE = /^([0-9a-f]{12}) ([0-9a-f]{64})$/;

export function readKeys(path: string): KeyFile {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return { kind: "missing" };
    return { kind: "damaged", reason: error instanceof Error ? error.message : String(error) };
  }
  const [head, ...lines] = text.trimEnd().split("\n");
  if (head !== HEAD || lines.length === 0) return { kind: "damaged", reason: "it does not begin as such a file does" };
  const found = lines.map((line) => LINE.exec(line));
  if (found.includes(null)) return { kind: "damaged", reason: "a line of it is no key" };
  const keys = found.map((match) => ({ id: match?.[1] ?? "", secret: Buffer.from(match?.[2] ?? "", "hex") }));
  return { kind: "keys", keys };
}

export function writeKeys(path: string, keys: readonly RingKey[]): void {
  const text = [HEAD, ...keys.map(({ id, secret }) => `${id} ${secret.toString("hex")}`), ""].join("\n");
  const temporary = `${path}.new`;
  try {
    rmSync(temporary, { force: true });
    const file = openSync(temporary, "wx", 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
