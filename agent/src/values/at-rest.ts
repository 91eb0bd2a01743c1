// Values at rest on the node: the sealed boxes as the hub gave and signed them, one durable file each, and which container has which as files. What
// opens a box is derived from the node's own key: the disk without that key is worth nothing. Nothing here is ever clear text.
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { specHashSchema, workloadIdSchema } from "@skerry/shared/model/ids.ts";
import { containerFileSchema, type ValueRef, valueRefSchema } from "@skerry/shared/model/value.ts";
import { valueKey } from "@skerry/shared/model/value-names.ts";
import { readIfThere, writeDurably } from "@skerry/shared/runtime/durable-file.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";
import * as z from "zod/mini";

const boxFileSchema = z.object({
  ref: valueRefSchema,
  boxKey: z.string(),
  box: z.string(),
  signature: z._default(z.string(), ""),
});
/** As it came. `boxKey`: the public key of the node's to which it is sealed. `signature`: the hub's; not checked here. */
export type BoxAtRest = Omit<z.infer<typeof boxFileSchema>, "ref">;
const mountFileSchema = z.object({
  workload: workloadIdSchema,
  specHash: specHashSchema,
  files: z.array(containerFileSchema),
});
/** What one container of a workload at a spec hash has, also when the assignment names it no more. */
export type ValueMount = z.infer<typeof mountFileSchema>;

/** Names that say nothing of what they stand for. */
const boxName = (ref: ValueRef): string => `${sha256Hex(valueKey(ref))}.box`;
export const mountName = (workload: string, specHash: string): string =>
  sha256Hex(`${workload}\n${specHash}`).slice(0, 32);

export class AtRest {
  readonly #folder: string;
  readonly #boxes = new Map<string, { readonly ref: ValueRef; readonly boxKey: string }>();
  readonly #mounts = new Map<string, ValueMount>();

  /** Reads what is there; a file that cannot be read is as one that is not there, and is asked for again. */
  constructor(folder: string) {
    this.#folder = folder;
    for (const name of namesIn(folder)) {
      const text = readOrNull(join(folder, name));
      if (name.endsWith(".box")) {
        const found = parsed(boxFileSchema, text);
        if (found !== null) this.#boxes.set(valueKey(found.ref), { ref: found.ref, boxKey: found.boxKey });
      } else if (name.endsWith(".mount")) {
        const found = parsed(mountFileSchema, text);
        if (found !== null) this.#mounts.set(mountName(found.workload, found.specHash), found);
      } else if (name.endsWith(".new")) rmSync(join(folder, name), { force: true });
    }
  }

  /** By `mountName`. */
  get mounts(): ReadonlyMap<string, ValueMount> {
    return this.#mounts;
  }

  get isEmpty(): boolean {
    return this.#boxes.size === 0 && this.#mounts.size === 0;
  }

  /** Keys of the values that are here under one of these keys of the node. */
  keysUnder(boxKeys: readonly string[]): Set<string> {
    return new Set([...this.#boxes].filter(([, held]) => boxKeys.includes(held.boxKey)).map(([key]) => key));
  }

  /** Keys of the node under which something is. */
  boxKeys(): ReadonlySet<string> {
    return new Set([...this.#boxes.values()].map(({ boxKey }) => boxKey));
  }

  refs(): readonly ValueRef[] {
    return [...this.#boxes.values()].map(({ ref }) => ref);
  }

  has(ref: ValueRef): boolean {
    return this.#boxes.has(valueKey(ref));
  }

  /** null: it is not here, or cannot be read. */
  box(ref: ValueRef): BoxAtRest | null {
    if (!this.#boxes.has(valueKey(ref))) return null;
    return parsed(boxFileSchema, readOrNull(join(this.#folder, boxName(ref))));
  }

  /** Durable when it returns; throws what the disk says. */
  keep(ref: ValueRef, held: BoxAtRest): void {
    this.#makeFolder();
    writeDurably(join(this.#folder, boxName(ref)), JSON.stringify({ ref, ...held }));
    this.#boxes.set(valueKey(ref), { ref, boxKey: held.boxKey });
  }

  drop(ref: ValueRef): void {
    rmSync(join(this.#folder, boxName(ref)), { force: true });
    this.#boxes.delete(valueKey(ref));
  }

  /** Durable when it returns; throws what the disk says. */
  keepMount(mount: ValueMount): void {
    const name = mountName(mount.workload, mount.specHash);
    if (this.#mounts.has(name)) return;
    this.#makeFolder();
    writeDurably(join(this.#folder, `${name}.mount`), JSON.stringify(mount));
    this.#mounts.set(name, mount);
  }

  dropMount(name: string): void {
    rmSync(join(this.#folder, `${name}.mount`), { force: true });
    this.#mounts.delete(name);
  }

  #makeFolder(): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Not there: this node never had one.
    return [];
  }
}

function readOrNull(path: string): string | null {
  try {
    return readIfThere(path);
  } catch {
    // A bad sector.
    return null;
  }
}

function parsed<T>(schema: z.ZodMiniType<T>, text: string | null): T | null {
  if (text === null) return null;
  try {
    const found = schema.safeParse(JSON.parse(text));
    return found.success ? found.data : null;
  } catch {
    return null;
  }
}
