// The pair of two generations of a small file, for what must not be lost to one bad sector either.
import { createHash } from "node:crypto";
import { readIfThere, writeDurably } from "@skerry/shared/runtime/durable-file.ts";

/**
 * Two files in turn, each with a generation and a checksum: a write never touches the newest good one.
 * A file: `sha256 generation body`, the checksum over "generation body".
 */
export class TwoGenerations {
  readonly #paths: readonly [string, string];
  #generation: number;
  #body: string | null;
  readonly #olderAtStart: string | null;

  constructor(path: string) {
    this.#paths = [`${path}.a`, `${path}.b`];
    const found = this.#paths.map((one) => parseGeneration(readIfThereOrBroken(one)));
    const newest = found.reduce(
      (best, one) => (one !== null && (best === null || one.generation > best.generation) ? one : best),
      null,
    );
    this.#generation = newest?.generation ?? 0;
    this.#body = newest?.body ?? null;
    this.#olderAtStart = found.find((one) => one !== newest)?.body ?? null;
  }

  /** What the other file held when this was made; null: nothing good. */
  get olderAtStart(): string | null {
    return this.#olderAtStart;
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
