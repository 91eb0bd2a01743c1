// How the hub is reached: by TLS with a key of its own, with the operator's certificate, behind a proxy, or without TLS on this machine alone.
// Whoever joins gets the pin of the key that he will meet. A key that nodes were given is never made anew in silence: they would all be cut off.
import { join } from "node:path";
import { writeDurably } from "@skerry/shared/runtime/durable-file.ts";
import type { Log } from "@skerry/shared/runtime/log.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { ok, type Result } from "@skerry/shared/runtime/result.ts";
import type { Store } from "../store/store.ts";
import { type FileKey, readCertificateFiles } from "./certificate-files.ts";
import { HubKey, PIN_FILE, PIN_SETTING } from "./hub-key.ts";

/** As configured. Pins are those of the proxy's key and its next one. */
export type FrontChoice =
  | { readonly kind: "own" }
  | { readonly kind: "files"; readonly certFile: string; readonly keyFile: string; readonly nextPin: string | null }
  | { readonly kind: "proxy"; readonly pins: readonly string[] }
  | { readonly kind: "plain" };

export type Front =
  | { readonly kind: "own"; readonly key: HubKey }
  | { readonly kind: "files"; readonly key: FileKey; readonly nextPin: string | null }
  | { readonly kind: "proxy"; readonly pins: readonly string[] }
  | { readonly kind: "plain" };

/** What nodes should take now: the key that they meet first, then the next one. None: there is no TLS. */
export function pinsOf(front: Front): readonly string[] {
  switch (front.kind) {
    case "own":
      return front.key.pins();
    case "files":
      return [front.key.pin, ...(front.nextPin === null ? [] : [front.nextPin])];
    case "proxy":
      return front.pins;
    case "plain":
      return [];
  }
}

/** Key and certificate as PEM, where the hub ends TLS itself. */
export function credentialsOf(front: Front): { readonly key: string; readonly cert: string } | null {
  if (front.kind === "own" || front.kind === "files") return front.key.credentials();
  return null;
}

export interface FrontParts {
  readonly dataDir: string;
  readonly store: Pick<Store, "setting" | "setSetting">;
  readonly random: Random;
  readonly log: Log;
  /** Throw the hub's own key away and make a new one. */
  readonly renew: boolean;
}

/** The error is words for the operator. */
export async function openFront(choice: FrontChoice, parts: FrontParts): Promise<Result<Front, string>> {
  const opened = await openChoice(choice, parts);
  if (opened.ok) notePin(pinsOf(opened.value)[0] ?? null, parts);
  return opened;
}

async function openChoice(choice: FrontChoice, parts: FrontParts): Promise<Result<Front, string>> {
  switch (choice.kind) {
    case "own": {
      const key = await HubKey.open(parts);
      return key.ok ? ok({ kind: "own", key: key.value }) : key;
    }
    case "files": {
      const key = readCertificateFiles(choice.certFile, choice.keyFile);
      return key.ok ? ok({ kind: "files", key: key.value, nextPin: choice.nextPin }) : key;
    }
    case "proxy":
    case "plain":
      return ok(choice);
  }
}

function notePin(pin: string | null, { dataDir, store, log }: FrontParts): void {
  const before = store.setting(PIN_SETTING);
  if (pin !== null) writeDurably(join(dataDir, PIN_FILE), `${pin}\n`);
  if (pin === null || pin === before) return;
  if (before !== null) {
    log.warn("the hub's key is another one than before: nodes that were not told of it in time need a new join token", {
      ...{ before, now: pin },
    });
  }
  store.setSetting(PIN_SETTING, pin);
}
