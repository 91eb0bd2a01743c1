// The keyring: keys outside the database, under which the hub keeps what it must give out again and nobody may read at rest. Envelope
// encryption (AES-256-GCM): each content has a random key of its own, which is wrapped by the current key of the ring; so a rotation wraps
// small keys anew and touches no content. Whoever has the database alone has nothing. It must never make a new file over a lost or damaged one by
// itself: that happens with the first content that is sealed anew.
import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { type KeyFile, type RingKey, readKeys, writeKeys } from "./key-file.ts";

/** As it is stored. `wrapped` and `body`: base64 of nonce, tag and ciphertext. */
export interface Sealed {
  /** Of the ring's key under which `wrapped` is. */
  readonly key: string;
  readonly wrapped: string;
  readonly body: string;
}

/** `key-missing`: the ring has no such key; `damaged`: the file cannot be read, or the content is not what was sealed there; `unwritable`: the file cannot be written. */
export class KeyringError extends Error {
  override name = "KeyringError";
  readonly kind: "key-missing" | "damaged" | "unwritable";
  constructor(kind: KeyringError["kind"], message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}

export interface Keyring {
  /** `context`: what the content is and whose; it must be said again to open it. Makes the file with the first content. Throws KeyringError. */
  seal(context: string, content: Uint8Array): Sealed;
  /** Throws KeyringError. */
  open(context: string, sealed: Sealed): Buffer;
  /** Whether the key is there by which this can be opened. */
  has(key: string): boolean;
  /** The key of the content wrapped by the current key of the ring; null: it is already. Throws KeyringError. */
  rewrap(context: string, sealed: Pick<Sealed, "key" | "wrapped">): Pick<Sealed, "key" | "wrapped"> | null;
  /** Adds a key, durable when this returns, and makes it the current one. Older ones stay until `retire`. Throws KeyringError. */
  rotate(): void;
  /** Forgets older keys that are not among those in use. The number forgotten. */
  retire(inUse: ReadonlySet<string>): number;
  /** How many keys; null: there is no file yet, or it is lost. */
  size(): number | null;
}

const KEY_BYTES = 32;
const ID_BYTES = 6;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** As many as rotations that never came to their end: a bound for the file. */
const MAX_KEYS = 100;

/** `path`: beside the database, and not in it: a backup of the one must not hold the other. */
export function openKeyring(path: string, random: Random): Keyring {
  return new FileKeyring(path, random);
}

class FileKeyring implements Keyring {
  readonly #path: string;
  readonly #random: Random;
  #file: KeyFile;

  constructor(path: string, random: Random) {
    this.#path = path;
    this.#random = random;
    this.#file = readKeys(path);
  }

  size(): number | null {
    return this.#file.kind === "keys" ? this.#file.keys.length : null;
  }

  has(key: string): boolean {
    return this.#keys().some(({ id }) => id === key);
  }

  seal(context: string, content: Uint8Array): Sealed {
    const { id, secret } = this.#current();
    const contentKey = Buffer.from(this.#random.hex(KEY_BYTES), "hex");
    return {
      key: id,
      wrapped: this.#encrypt(secret, `key of\n${context}`, contentKey),
      body: this.#encrypt(contentKey, context, content),
    };
  }

  open(context: string, { key, wrapped, body }: Sealed): Buffer {
    return decrypt(decrypt(this.#key(key), `key of\n${context}`, wrapped), context, body);
  }

  rewrap(context: string, { key, wrapped }: Pick<Sealed, "key" | "wrapped">): Pick<Sealed, "key" | "wrapped"> | null {
    const current = this.#current();
    if (key === current.id) return null;
    const contentKey = decrypt(this.#key(key), `key of\n${context}`, wrapped);
    return { key: current.id, wrapped: this.#encrypt(current.secret, `key of\n${context}`, contentKey) };
  }

  rotate(): void {
    const keys = this.#keys();
    if (keys.length >= MAX_KEYS)
      throw new KeyringError("unwritable", `${this.#path} holds ${MAX_KEYS} keys, which is the most`);
    this.#write([...keys, this.#fresh()]);
  }

  retire(inUse: ReadonlySet<string>): number {
    const keys = this.#keys();
    const kept = keys.filter(({ id }, at) => at === keys.length - 1 || inUse.has(id));
    if (kept.length < keys.length) this.#write(kept);
    return keys.length - kept.length;
  }

  #keys(): readonly RingKey[] {
    if (this.#file.kind === "damaged")
      throw new KeyringError(
        "damaged",
        `the file ${this.#path} cannot be read (${this.#file.reason}): put it back from where you keep it, and restart the hub`,
      );
    return this.#file.kind === "keys" ? this.#file.keys : [];
  }

  #current(): RingKey {
    const last = this.#keys().at(-1);
    if (last !== undefined) return last;
    const first = this.#fresh();
    this.#write([first]);
    return first;
  }

  #fresh(): RingKey {
    return { id: this.#random.hex(ID_BYTES), secret: Buffer.from(this.#random.hex(KEY_BYTES), "hex") };
  }

  #key(id: string): Buffer {
    const found = this.#keys().find((key) => key.id === id);
    if (found !== undefined) return found.secret;
    throw new KeyringError("key-missing", `the key ${id} is not in ${this.#path}: put that file back, or set it anew`);
  }

  #write(keys: readonly RingKey[]): void {
    try {
      writeKeys(this.#path, keys);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new KeyringError("unwritable", `the file ${this.#path} cannot be written: ${why}`, { cause });
    }
    this.#file = { kind: "keys", keys };
  }

  #encrypt(key: Buffer, context: string, content: Uint8Array): string {
    const nonce = Buffer.from(this.#random.hex(NONCE_BYTES), "hex");
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    cipher.setAAD(Buffer.from(context, "utf8"));
    const body = Buffer.concat([cipher.update(content), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString("base64");
  }
}

function decrypt(key: Buffer, context: string, text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(context, "utf8"));
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
  } catch (cause) {
    throw new KeyringError("damaged", "what is stored is not what was sealed there", { cause });
  }
}
