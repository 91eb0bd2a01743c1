// The keyring's file: for its owner alone, replaced in one step and durable when the call returns. One line for each key, the current one last.
import { readIfThere, writeDurably } from "@skerry/shared/runtime/durable-file.ts";

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
  let text: string | null;
  try {
    text = readIfThere(path);
  } catch (error) {
    return { kind: "damaged", reason: error instanceof Error ? error.message : String(error) };
  }
  if (text === null) return { kind: "missing" };
  const [head, ...lines] = text.trimEnd().split("\n");
  if (head !== HEAD || lines.length === 0) return { kind: "damaged", reason: "it does not begin as such a file does" };
  const found = lines.map((line) => LINE.exec(line));
  if (found.includes(null)) return { kind: "damaged", reason: "a line of it is no key" };
  const keys = found.map((match) => ({ id: match?.[1] ?? "", secret: Buffer.from(match?.[2] ?? "", "hex") }));
  return { kind: "keys", keys };
}

export function writeKeys(path: string, keys: readonly RingKey[]): void {
  const text = [HEAD, ...keys.map(({ id, secret }) => `${id} ${secret.toString("hex")}`), ""].join("\n");
  writeDurably(path, text);
}
