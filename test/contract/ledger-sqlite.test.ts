// SQLite's ledger keeps the contract on a real file system; and what only files can show: modes, damage of several kinds, the lock,
// the disk that fills up. Each test has a small tmpfs of its own, which needs root as the rest of these suites does.
import { execFileSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Identity } from "@skerry/agent/ledger/ledger.ts";
import type { OpenedLedger } from "@skerry/agent/ledger/opened.ts";
import { openSqliteLedger } from "@skerry/agent/ledger/sqlite.ts";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LedgerUnderTest, ledgerContract } from "./ledger.ts";
import { anAssignment, anIdentity } from "./ledger-samples.ts";

/** Room for two copies of the largest content that these tests write. */
const DISK_MB = 48;

class SmallDisk implements LedgerUnderTest {
  readonly #root = mkdtempSync(join(tmpdir(), "skerry-ledger-"));
  readonly #opened: OpenedLedger[] = [];
  #cuts = 0;

  constructor() {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MB}m`, "skerry-test", this.#root]);
  }

  get folder(): string {
    return join(this.#root, String(this.#cuts));
  }

  open(): OpenedLedger {
    const opened = openSqliteLedger({ folder: this.folder });
    this.#opened.push(opened);
    return opened;
  }

  /** As far as one process can play it: the files as they are at this instant, in another folder. */
  powerCut(): void {
    const before = this.folder;
    this.#cuts += 1;
    execFileSync("cp", ["-a", before, this.folder]);
  }

  damage(): void {
    const path = join(this.folder, "ledger.db");
    const handle = openSync(path, "r+");
    writeSync(handle, Buffer.alloc(2_048, 0xa5), 0, 2_048, 0);
    closeSync(handle);
    rmSync(`${path}-wal`, { force: true });
  }

  space(there: boolean): void {
    const filler = join(this.#root, "filler");
    if (there) return unlinkSync(filler);
    const handle = openSync(filler, "w");
    const block = Buffer.alloc(65_536, 1);
    try {
      for (;;) if (writeSync(handle, block) < block.length) break;
    } catch {
      // Full, which is what was wanted.
    } finally {
      closeSync(handle);
    }
  }

  cleanUp(): void {
    for (const { ledger } of this.#opened) ledger.close();
    execFileSync("umount", [this.#root]);
    rmSync(this.#root, { recursive: true, force: true });
  }
}

ledgerContract("SQLite", () => new SmallDisk());

describe("ledger: files", () => {
  let disk: SmallDisk;
  beforeEach(() => {
    disk = new SmallDisk();
  });
  afterEach(() => disk.cleanUp());

  const joined = (): OpenedLedger => {
    const opened = disk.open();
    opened.ledger.commit([
      { kind: "identity", identity: anIdentity },
      { kind: "assignment", assignment: anAssignment(1), seal: null },
    ]);
    return opened;
  };

  test("[G12] the folder is for its owner only, and so is every file in it", () => {
    joined();
    expect(statSync(disk.folder).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(disk.folder)) {
      expect([name, statSync(join(disk.folder, name)).mode & 0o777]).toEqual([name, 0o600]);
    }
  });

  test("[G13] a second agent on the same folder is refused in plain words, and the first one carries on", () => {
    const { ledger } = joined();
    expect(() => openSqliteLedger({ folder: disk.folder })).toThrow(/another agent/);
    ledger.commit([{ kind: "boot", bootId: "boot-2" }]);
    expect(ledger.content().bootId).toBe("boot-2");
  });

  test.each([
    ["is gone", (path: string) => unlinkSync(path)],
    ["is empty", (path: string) => truncateSync(path)],
    ["is cut in half", (path: string) => truncateSync(path, Math.floor(statSync(path).size / 2))],
    [
      "holds something else",
      (path: string) => writeFileSync(path, "not a database, but long enough to be one".repeat(500)),
    ],
    ["has one bad page", (path: string) => overwritePage(path)],
  ])("[G14] a database that %s is started empty with the reason, and the node stays who it is", (_, harm) => {
    joined().ledger.close();
    harm(join(disk.folder, "ledger.db"));
    const { ledger, rebuilt } = disk.open();
    expect(rebuilt).toMatch(/ledger was (damaged|missing|empty)/);
    expect(ledger.content()).toMatchObject({ identity: anIdentity, assignment: null });
  });

  test("[G15] what could not be read is moved aside and kept, and only the newest three of them", () => {
    joined().ledger.close();
    for (let time = 0; time < 5; time += 1) {
      writeFileSync(join(disk.folder, "ledger.db"), `damage ${time} `.repeat(500));
      disk.open().ledger.close();
    }
    const kept = readdirSync(disk.folder).filter((name) => name.includes("damaged"));
    expect(kept.sort()).toEqual(["ledger.db.damaged-1", "ledger.db.damaged-2", "ledger.db.damaged-3"]);
    expect(readFileSync(join(disk.folder, "ledger.db.damaged-1"), "utf8")).toContain("damage 4");
  });

  /** One whose key has gone all the way, with the steps between. */
  const steps = (): readonly [Identity, Identity, Identity, Identity] => {
    const next = { ...anIdentity, nextKey: "d".repeat(64), keyStep: 1 };
    const rolled = { ...next, privateKey: "d".repeat(64), nextKey: null, keyStep: 2, labelSecret: "1".repeat(64) };
    return [anIdentity, next, { ...rolled, formerBoxKeys: ["b0".repeat(32)] }, rolled];
  };

  test("[G350] whichever of its files a power cut leaves behind at a step of its key, the newest key is read", () => {
    const order = steps();
    for (let at = 1; at < order.length; at += 1)
      for (const old of ["ledger.db", "identity"]) {
        const folder = join(disk.folder, `${old} ${at}`);
        const commit = (identity: Identity | undefined): void => {
          const { ledger } = openSqliteLedger({ folder });
          if (identity !== undefined) ledger.commit([{ kind: "identity", identity }]);
          ledger.close();
        };
        commit(order[at - 1]);
        const kept = readdirSync(folder).filter((name) => name.startsWith(old));
        const copies = kept.map((name) => [name, readFileSync(join(folder, name))] as const);
        commit(order[at]);
        for (const name of readdirSync(folder)) if (name.startsWith(old)) unlinkSync(join(folder, name));
        for (const [name, bytes] of copies) writeFileSync(join(folder, name), bytes, { mode: 0o600 });
        const { ledger } = openSqliteLedger({ folder });
        // That a former key is forgotten is no step: it may come back, and is forgotten again.
        expect(ledger.content().identity?.privateKey, `${old} of before step ${at}`).toBe(order[at]?.privateKey);
        expect(ledger.content().identity?.nextKey).toBe(order[at]?.nextKey);
        ledger.close();
      }
  });

  test("[G350] a key that was given up is in none of its files", () => {
    const { ledger } = joined();
    const found = (key: string): readonly string[] =>
      readdirSync(disk.folder).filter((name) => readFileSync(join(disk.folder, name)).includes(key));
    const [first, next, rolled, forgotten] = steps();
    expect(found(first.privateKey)).not.toEqual([]);
    for (const identity of [next, rolled]) ledger.commit([{ kind: "identity", identity }]);
    expect(found(first.privateKey)).toEqual([]);
    expect(found("b0".repeat(32))).not.toEqual([]);
    ledger.commit([{ kind: "identity", identity: forgotten }]);
    expect(found("b0".repeat(32))).toEqual([]);
    expect(found(forgotten.privateKey)).not.toEqual([]);
  });

  test.each([
    ["the database is behind", (name: string) => name.startsWith("ledger.db")],
    ["one identity file is behind", (name: string) => name === "identity.a"],
    ["the other identity file is behind", (name: string) => name === "identity.b"],
  ])("[G350] nor after a power cut between its writes, where %s", (_what, isBehind) => {
    const [first, next, rolled] = steps();
    // An odd and an even number of writes before, for the two files take turns.
    for (const more of [0, 1]) {
      const folder = join(disk.folder, String(more));
      const commit = (...identities: readonly Identity[]): void => {
        const { ledger } = openSqliteLedger({ folder });
        for (const identity of identities) ledger.commit([{ kind: "identity", identity }]);
        ledger.close();
      };
      const mark = { count: 1, value: "0".repeat(32) };
      commit(...(more === 1 ? [{ ...first, mark }] : []), first, next);
      const behind = readdirSync(folder).filter(isBehind);
      const copies = behind.map((name) => [name, readFileSync(join(folder, name))] as const);
      commit(rolled);
      for (const [name, bytes] of copies) writeFileSync(join(folder, name), bytes, { mode: 0o600 });
      commit();
      for (const name of readdirSync(folder))
        expect([name, readFileSync(join(folder, name)).includes(first.privateKey)]).toEqual([name, false]);
      const { ledger } = openSqliteLedger({ folder });
      expect(ledger.content().identity).toEqual(rolled);
      ledger.close();
    }
  });

  test("[G16] one bad identity file of the two costs nothing", () => {
    const { ledger } = joined();
    ledger.commit([{ kind: "identity", identity: { ...anIdentity, hubUrl: "http://127.0.0.1:1" } }]);
    ledger.close();
    writeFileSync(join(disk.folder, "identity.b"), "");
    unlinkSync(join(disk.folder, "ledger.db"));
    expect(disk.open().ledger.content().identity?.node).toBe(anIdentity.node);
  });

  test("[G17] a ledger of a newer Skerry is refused and left as it is", () => {
    joined().ledger.close();
    const path = join(disk.folder, "ledger.db");
    const db = new Database(path);
    db.pragma("user_version = 2");
    db.close();
    expect(() => disk.open()).toThrow(/newer Skerry/);
    const left = new Database(path);
    expect(left.pragma("user_version", { simple: true })).toBe(2);
    left.close();
  });

  test("[G18] on a full disk the newest assignment still finds the reserved room", () => {
    const { ledger } = joined();
    disk.space(false);
    const large = anAssignment(2);
    const [first] = large.workloads;
    const environment = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`NAME_${at}`, "x".repeat(1_000)]));
    const workloads = first === undefined ? [] : [{ ...first, spec: { ...first.spec, environment } }];
    ledger.commit([{ kind: "assignment", assignment: { ...large, workloads }, seal: null }]);
    expect(readdirSync(disk.folder)).not.toContain("reserve");
    expect(ledger.content().assignment?.position.generation).toBe(2);
  });

  test("[G19] at rest nothing is written", () => {
    const { ledger } = joined();
    const stamps = (): readonly number[] =>
      readdirSync(disk.folder).map((name) => statSync(join(disk.folder, name)).mtimeMs);
    const before = stamps();
    for (let time = 0; time < 100; time += 1) ledger.content();
    ledger.commit([]);
    ledger.commit([{ kind: "events-acked", seq: 0 }]);
    expect(stamps()).toEqual(before);
  });

  test("[G20] a folder that cannot be written is refused by name", () => {
    const path = join(disk.folder, "..", "file");
    mkdirSync(disk.folder, { recursive: true });
    writeFileSync(path, "");
    expect(() => openSqliteLedger({ folder: join(path, "agent") })).toThrow(/open the ledger in .*file\/agent/);
  });
});

function overwritePage(path: string): void {
  const handle = openSync(path, "r+");
  writeSync(handle, Buffer.alloc(3_000, 0xff), 0, 3_000, 4_096 + 8);
  closeSync(handle);
}

/** What was written to the device so far, and is under way: the same twice means that nothing was written in between. */
function written(device: string): string {
  // Fields 5, 7 and 9 of the kernel's block statistics: writes done, sectors written, requests in flight.
  const fields = readFileSync(`/sys/block/${basename(device)}/stat`, "utf8")
    .trim()
    .split(/ +/);
  return `${fields[4]} ${fields[6]} ${fields[8]}`;
}

/** What would be on the disk after a power cut at one moment. While the kernel writes to it a copy would be of several. */
function snapshot(device: string, image: string, copy: string): void {
  for (let tries = 0; tries < 1_000; tries += 1) {
    const before = written(device);
    copyFileSync(image, copy);
    if (before.endsWith(" 0") && written(device) === before) return;
  }
  throw new Error(`${device} is written to all the time`);
}

test("[G21] every commit that returned is there after a power cut: identity, assignment and events, on a real file system", () => {
  const root = mkdtempSync(join(tmpdir(), "skerry-power-"));
  const at = join(root, "at");
  const after = join(root, "after");
  const image = join(root, "disk.img");
  const sh = (...words: string[]): string => execFileSync(words[0] ?? "", words.slice(1), { encoding: "utf8" }).trim();
  mkdirSync(at);
  mkdirSync(after);
  writeFileSync(image, "");
  truncateSync(image, 8 * 1_048_576);
  sh("mkfs.ext4", "-q", image);
  const device = sh("losetup", "--show", "--find", image);
  sh("mount", device, at);
  const { ledger } = openSqliteLedger({ folder: join(at, "agent") });
  try {
    ledger.commit([{ kind: "identity", identity: anIdentity }]);
    for (let generation = 1; generation <= 8; generation += 1) {
      ledger.commit([
        { kind: "assignment", assignment: anAssignment(generation), seal: null },
        { kind: "event", atMs: 0, wallMs: 0, event: { kind: "gap", lost: generation } },
      ]);
      // What only the kernel's cache holds is not in the image. A file of its own: a loop device of the one before may still be there with
      // that one's blocks in memory, and mount would take it for this one's.
      const cut = join(root, `cut-${generation}.img`);
      snapshot(device, image, cut);
      sh("mount", "-o", "loop", cut, after);
      const found = openSqliteLedger({ folder: join(after, "agent") });
      try {
        expect(found.rebuilt).toBeNull();
        expect(found.ledger.content()).toEqual(ledger.content());
      } finally {
        found.ledger.close();
        sh("umount", after);
      }
    }
  } finally {
    ledger.close();
    sh("umount", at);
    sh("losetup", "--detach", device);
    rmSync(root, { recursive: true, force: true });
  }
});
