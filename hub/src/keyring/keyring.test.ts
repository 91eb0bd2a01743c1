// The keyring on a real disk: what it keeps, what it refuses, and what a cut-off rotation leaves.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openKeyring } from "./keyring.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skerry-keys-"));
  path = join(folder, "secret-keys");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = () => openKeyring(path, systemRandom);
const content = Buffer.from("canary of the keyring");
const failing = (kind: string) => expect.objectContaining({ name: "KeyringError", kind });

describe("the keyring", () => {
  test("[S262] what was sealed is opened by a hub that starts anew, in its own context only", () => {
    const sealed = open().seal("a", content);
    expect(open().open("a", sealed)).toEqual(content);
    expect(() => open().open("b", sealed)).toThrow(failing("damaged"));
    expect(() => open().open("a", { ...sealed, body: sealed.wrapped })).toThrow(failing("damaged"));
    expect(JSON.stringify(sealed)).not.toContain(content.toString("base64").slice(0, 12));
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("[S262] the file is made with the first content, and not before", () => {
    const ring = open();
    expect([ring.size(), ring.has("0".repeat(12))]).toEqual([null, false]);
    expect(() => statSync(path)).toThrow("ENOENT");
    ring.seal("a", content);
    expect(ring.size()).toBe(1);
  });

  test("[S263] after a rotation old and new content opens; wrapped anew, the old key is forgotten", () => {
    const ring = open();
    const sealed = ring.seal("a", content);
    ring.rotate();
    // Cut off here: both keys are on the disk.
    const after = open();
    expect(after.open("a", sealed)).toEqual(content);
    expect(after.retire(new Set([sealed.key]))).toBe(0);
    const again = after.rewrap("a", sealed);
    if (again === null) throw new Error("it was under the new key already");
    expect(after.rewrap("a", again)).toBeNull();
    expect(after.retire(new Set([again.key]))).toBe(1);
    expect(open().open("a", { ...sealed, ...again })).toEqual(content);
    expect(() => open().open("a", sealed)).toThrow(failing("key-missing"));
  });

  test("[S264] a damaged file is said, and never written over", () => {
    const sealed = open().seal("a", content);
    const good = readFileSync(path, "utf8");
    for (const text of ["", "nonsense\n", `${good}x`, good.slice(0, -8)]) {
      writeFileSync(path, text);
      const ring = open();
      expect(() => ring.seal("a", content)).toThrow(failing("damaged"));
      expect(() => ring.rotate()).toThrow(failing("damaged"));
      expect(readFileSync(path, "utf8")).toBe(text);
    }
    writeFileSync(path, good);
    expect(open().open("a", sealed)).toEqual(content);
  });

  test("[S264] with the file lost nothing opens, and the next content begins a new one", () => {
    const sealed = open().seal("a", content);
    rmSync(path);
    const ring = open();
    expect(ring.has(sealed.key)).toBe(false);
    expect(() => ring.open("a", sealed)).toThrow(failing("key-missing"));
    expect(ring.seal("a", content).key).not.toBe(sealed.key);
  });

  test("[S264] a folder that cannot be written is said", () => {
    const ring = openKeyring(join(folder, "not", "there"), systemRandom);
    expect(() => ring.seal("a", content)).toThrow(failing("unwritable"));
  });
});
