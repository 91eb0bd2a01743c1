// The hub's own key, in its data folder: made once, durable before anybody is given its pin. The certificate beside it is made from it whenever it
// is missing or of another key. A next key may stand beside it, whose pin is told to nodes before it is used.
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pinOf } from "@skerry/shared/protocol/pin.ts";
import { readIfThere, syncFolderOf, writeDurably } from "@skerry/shared/runtime/durable-file.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { err, ok, type Result } from "@skerry/shared/runtime/result.ts";
import type { FrontParts } from "./front.ts";

export const KEY_FILE = "hub-key.pem";
export const NEXT_KEY_FILE = "hub-key-next.pem";
export const CERTIFICATE_FILE = "hub-cert.pem";
/** The pin that nodes were last given; what the next start compares with. */
export const PIN_SETTING = "hub-pin";
/** What people and scripts on this machine give to `skerry login --pin`: no secret. */
export const PIN_FILE = "hub-pin";
const SERIAL_BYTES = 8;

interface Key {
  /** PEM, PKCS #8. */
  readonly pem: string;
  readonly pin: string;
}

export class HubKey {
  readonly #folder: string;
  readonly #random: Random;
  #key: Key;
  #next: Key | null;
  #certificate: string;

  private constructor(folder: string, random: Random, key: Key, next: Key | null, certificate: string) {
    this.#folder = folder;
    this.#random = random;
    this.#key = key;
    this.#next = next;
    this.#certificate = certificate;
  }

  /** Throws what the file system throws. A crash at any point leaves a state from which the next start goes on. */
  static async open({ dataDir, store, random, renew }: FrontParts): Promise<Result<HubKey, string>> {
    const keyFile = join(dataDir, KEY_FILE);
    if (renew) {
      rmSync(join(dataDir, NEXT_KEY_FILE), { force: true });
      writeDurably(keyFile, freshKey().pem);
    }
    const given = store.setting(PIN_SETTING);
    const found = readIfThere(keyFile);
    let key = found === null ? null : parseKey(found);
    if (key === null && given !== null) return err(lost(keyFile, found === null, given));
    if (key === null) {
      // Nobody was given a pin yet: what a crash left half made is of no use to anybody.
      key = freshKey();
      writeDurably(keyFile, key.pem);
    }
    const next = parseKey(readIfThere(join(dataDir, NEXT_KEY_FILE)) ?? "");
    const certificate = await certificateFor(dataDir, key, random);
    return ok(new HubKey(dataDir, random, key, next, certificate));
  }

  pins(): readonly string[] {
    return [this.#key.pin, ...(this.#next === null ? [] : [this.#next.pin])];
  }

  get nextPin(): string | null {
    return this.#next?.pin ?? null;
  }

  credentials(): { readonly key: string; readonly cert: string } {
    return { key: this.#key.pem, cert: this.#certificate };
  }

  /**
   * Makes the next key, durable when this returns; the same one as long as it was not switched to. `announce` is given its pin before it is
   * kept: when that throws, there is no next key.
   */
  prepareNext(announce: (pin: string) => void): string {
    if (this.#next === null) {
      const next = freshKey();
      announce(next.pin);
      writeDurably(join(this.#folder, NEXT_KEY_FILE), next.pem);
      this.#next = next;
    }
    return this.#next.pin;
  }

  /**
   * From now on the next key is the hub's. One rename, of which this object knows last: a crash leaves the one or the other, and both are known
   * to who was told. Throws what the file system throws, and then nothing has changed.
   */
  async switchToNext(): Promise<void> {
    const next = this.#next;
    if (next === null) throw new Error("bug: there is no next key to switch to");
    // Of a key that is not in use yet after a crash: the next start makes the right one again.
    const certificate = await certificateFor(this.#folder, next, this.#random);
    // Asked for twice at once, the other one was first.
    if (this.#next !== next) return;
    writeDurably(join(this.#folder, PIN_FILE), `${next.pin}\n`);
    const keyFile = join(this.#folder, KEY_FILE);
    renameSync(join(this.#folder, NEXT_KEY_FILE), keyFile);
    syncFolderOf(keyFile);
    this.#key = next;
    this.#next = null;
    this.#certificate = certificate;
  }
}

function freshKey(): Key {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { pem: String(privateKey.export({ type: "pkcs8", format: "pem" })), pin: pinOf(publicKey) };
}

/** null: it is damaged. */
function parseKey(pem: string): Key | null {
  try {
    return { pem, pin: pinOf(createPublicKey(createPrivateKey(pem))) };
  } catch {
    return null;
  }
}

async function certificateFor(folder: string, key: Key, random: Random): Promise<string> {
  const file = join(folder, CERTIFICATE_FILE);
  const found = readIfThere(file);
  if (found !== null && isOf(found, key)) return found;
  const { makeCertificate, ownNames } = await import("./certificate.ts");
  // A serial number is positive: its first bit is 0.
  const made = await makeCertificate(key.pem, ownNames(), `4${random.hex(SERIAL_BYTES).slice(1)}`);
  writeDurably(file, made);
  return made;
}

function isOf(certificate: string, key: Key): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key.pem));
  } catch {
    return false;
  }
}

function lost(file: string, isGone: boolean, pin: string): string {
  return [
    `The hub's key in ${file} is ${isGone ? "gone" : "damaged"}, and nodes take no other (its pin is ${pin}).`,
    "Put it back from a backup: then all nodes connect again.",
    "If there is none, start once with --new-hub-key: each node then needs a new join token, given to its agent on the machine; it stays who it is, and what it runs runs on.",
  ].join(" ");
}
