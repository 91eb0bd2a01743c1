// What is in secrets and configs: the one place that seals and opens it. It must never log or keep what it opens.
import type { InstallationId } from "@skerry/shared/model/ids.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import { restContext, valueKey } from "@skerry/shared/model/value-names.ts";
import type { Random } from "@skerry/shared/runtime/random.ts";
import { currentVersion, type FreshVersion, type StoredValue, type ValueId } from "../core/value.ts";
import { type Keyring, KeyringError } from "../keyring/keyring.ts";
import type { Store } from "../store/store.ts";

const VERSION_BYTES = 16;

export interface ContentsParts {
  readonly installation: InstallationId;
  readonly store: Pick<Store, "sealedValue" | "valueKeys">;
  readonly keyring: Keyring;
  readonly random: Random;
}

export class Contents {
  readonly #parts: ContentsParts;

  constructor(parts: ContentsParts) {
    this.#parts = parts;
  }

  /** null: that version is not kept. Throws KeyringError. */
  read(ref: ValueRef): Buffer | null {
    const { installation, store, keyring } = this.#parts;
    const sealed = store.sealedValue(ref);
    return sealed === null ? null : keyring.open(restContext(installation, ref), sealed);
  }

  /** Of which values the key of the current version is there. Looked up for all at once: what is in them is not read. */
  readable(): (value: StoredValue) => boolean {
    const { store, keyring } = this.#parts;
    const keys = new Map(store.valueKeys().map(({ ref, key }) => [valueKey(ref), key]));
    return (value) => {
      const ref = currentRef(value);
      const key = ref === null ? undefined : keys.get(valueKey(ref));
      try {
        return key !== undefined && keyring.has(key);
      } catch (error) {
        if (error instanceof KeyringError) return false;
        throw error;
      }
    };
  }

  /** Its version when this is what is in it already; null: it is something else, or cannot be compared. */
  versionWith(value: StoredValue, content: Uint8Array): string | null {
    const ref = currentRef(value);
    if (ref === null) return null;
    try {
      return this.read(ref)?.equals(content) === true ? ref.version : null;
    } catch (error) {
      if (error instanceof KeyringError) return null;
      throw error;
    }
  }

  freshVersion(): string {
    return this.#parts.random.hex(VERSION_BYTES);
  }

  /** Throws KeyringError. */
  seal({ kind, app, name }: ValueId, version: string, content: Uint8Array): FreshVersion {
    const { installation, keyring } = this.#parts;
    const sealed = keyring.seal(restContext(installation, { kind, app, name, version }), content);
    return { version, bytes: content.byteLength, sealed };
  }
}

export function currentRef(value: StoredValue): ValueRef | null {
  const { kind, app, name } = value;
  const now = currentVersion(value);
  return now === null ? null : { kind, app, name, version: now.version };
}
