// What a Compose file that is being applied may use of secrets and configs: the installation's as far as the app is named with them or the
// caller may deploy every app, and the app's own, which came with the request. Another app's own ones cannot be named at all.
import type { AppName } from "@skerry/shared/model/ids.ts";
import type { ValueSource } from "../compose/files.ts";
import { currentVersion, type OwnValue, type StoredValue, sameValue } from "../core/value.ts";
import type { Contents } from "../values/contents.ts";

export interface AppliedValues {
  readonly source: ValueSource;
  /** New versions of the app's own, sealed. Throws KeyringError. */
  readonly own: () => readonly OwnValue[];
}

/** `sent`: base64 by "secrets.KEY". `isUnbound`: the caller may deploy every app. */
export function appliedValues(
  contents: Contents,
  values: readonly StoredValue[],
  app: AppName,
  sent: Readonly<Record<string, string>>,
  isUnbound: boolean,
): AppliedValues {
  const fresh = new Map<
    string,
    { readonly id: Pick<OwnValue, "kind" | "name">; readonly version: string; readonly content: Buffer }
  >();
  return {
    source: {
      external(kind, name) {
        const value = values.find((one) => sameValue(one, { kind, app: null, name }));
        const mayUse = value !== undefined && (value.apps.length === 0 ? isUnbound : value.apps.includes(app));
        return mayUse ? (currentVersion(value)?.version ?? null) : null;
      },
      own(kind, name, place, content) {
        const known = fresh.get(`${kind}/${name}`);
        if (known !== undefined) return known.version;
        const bytes = content === null ? sentAt(sent, place) : Buffer.from(content, "utf8");
        if (bytes === null) return null;
        const before = values.find((one) => sameValue(one, { kind, app, name }));
        const same = before === undefined ? null : contents.versionWith(before, bytes);
        if (same !== null) return same;
        const version = contents.freshVersion();
        fresh.set(`${kind}/${name}`, { id: { kind, name }, version, content: bytes });
        return version;
      },
    },
    own: () =>
      [...fresh.values()].map(({ id, version, content }) => ({
        ...id,
        ...contents.seal({ ...id, app }, version, content),
      })),
  };
}

const sentAt = (sent: Readonly<Record<string, string>>, place: string): Buffer | null => {
  const text = Object.hasOwn(sent, place) ? sent[place] : undefined;
  return text === undefined ? null : Buffer.from(text, "base64");
};
