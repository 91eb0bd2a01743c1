// The hub's signing key: made once, kept apart from the database, and missed when it is gone.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { isSignedBy } from "@skerry/shared/runtime/signature.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureSigningKey, SIGNING_KEY_FILE, type SigningKey } from "./signing-key.ts";

let folder = "";
let settings = new Map<string, string>();
const file = (): string => join(folder, SIGNING_KEY_FILE);
const store = {
  setting: (name: string) => settings.get(name) ?? null,
  setSetting: (name: string, value: string) => void settings.set(name, value),
};
const ensure = (renew = false) => ensureSigningKey(folder, store, systemRandom, renew);
const made = (renew = false): SigningKey => {
  const result = ensure(renew);
  if (!result.ok) throw new Error(result.error);
  return result.value;
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skerry-signing-"));
  settings = new Map();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("[S340] it is made once, for its owner only, and the store has the public half alone", () => {
  const key = made();
  expect(key.outcome).toBe("made");
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  expect([...settings.values()]).toEqual([key.publicKey]);
  expect(isSignedBy(key.publicKey, "text", key.sign("text"))).toBe(true);
  expect(made()).toMatchObject({ outcome: "kept", publicKey: key.publicKey });
});

test("[S340] the file comes first: after a crash in between the next start goes on with it", () => {
  const key = made();
  settings.clear();
  expect(made()).toMatchObject({ outcome: "kept", publicKey: key.publicKey });
});

test.each([
  ["is gone", () => rmSync(file())],
  ["holds another key", () => writeFileSync(file(), "1".repeat(64))],
  ["does not hold a key", () => writeFileSync(file(), "oops")],
])("[S340] a key that %s is said and nothing is made; --new-signing-key goes on", (words, harm) => {
  made();
  harm();
  const before = existsSync(file()) ? readFileSync(file(), "utf8") : null;
  const refused = ensure();
  expect(refused).toMatchObject({ ok: false, error: expect.stringContaining(words) });
  expect(refused).toMatchObject({ error: expect.stringContaining("--new-signing-key") });
  expect(existsSync(file()) ? readFileSync(file(), "utf8") : null).toBe(before);
  const key = made(true);
  expect(made().publicKey).toBe(key.publicKey);
});
