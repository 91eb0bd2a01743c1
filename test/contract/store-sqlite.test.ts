// What the store on SQLite does beyond the contract: kill -9, a second process, damage, newer schemas, full disks. Real files and processes.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { assert } from "@skerry/shared/runtime/assert.ts";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { compileCompose } from "../../hub/src/compose/compile.ts";
import type { DurableChange } from "../../hub/src/core/change.ts";
import { follow } from "../../hub/src/store/audit-chain.ts";
import { migrate, SCHEMA_VERSION } from "../../hub/src/store/sqlite/migrations.ts";
import { openDatabase } from "../../hub/src/store/sqlite/open.ts";
import { openSqliteStore, prepareObserved } from "../../hub/src/store/sqlite/store.ts";
import type { Store } from "../../hub/src/store/store.ts";
import {
  app,
  appName,
  appSet,
  audit,
  brakeEvent,
  commit,
  INSTALLATION,
  node,
  nodeId,
  nodeSet,
  status,
  wholeAudit,
} from "./store.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "skerry-sqlite-"));
  path = join(folder, "hub.sqlite");
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (at = path): Store =>
  openSqliteStore({ path: at, startedAtMs: 0, first: () => ({ installation: INSTALLATION, epoch: 1 }) });

function withStore<T>(use: (store: Store) => T, at = path): T {
  const store = open(at);
  try {
    return use(store);
  } finally {
    store.close();
  }
}

const compiled = compileCompose({
  ...{ name: "shop", files: {}, variables: {}, profiles: [] },
  text: "services: { web: { image: 'x:1' } }",
});
assert(compiled.ok, "the file is valid");
const shop = compiled.value.spec;

const COMMITTER = join(import.meta.dirname, "store-committer.ts");

/** Starts the committer, waits for `acknowledged` commits, kills it, and returns the last seq that it printed. */
async function killWhileCommitting(acknowledged: number): Promise<number> {
  const child = spawn(process.execPath, [COMMITTER, path], { stdio: ["ignore", "pipe", "inherit"] });
  let last = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line) || last;
    if (last >= acknowledged && !child.killed) child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  expect(child.signalCode).toBe("SIGKILL");
  return last;
}

test("[S13] [I31] every acknowledged commit is there after kill -9, with its audit entry, and the lock needs no cleaning up", async () => {
  let before = 0;
  for (const more of [1, 17, 60]) {
    const last = await killWhileCommitting(before + more);
    withStore((store) => {
      const { seq } = store.load();
      // The one under way at the kill may be in or out, never half.
      expect([last, last + 1]).toContain(seq);
      const events = store.events({ app: null, node: null, workload: null, afterId: null, limit: 1_000, within: null });
      expect(events).toHaveLength(seq);
      expect(store.watch(0, 1_000)).toHaveLength(seq);
      expect(wholeAudit(store)).toHaveLength(seq);
      before = seq;
    });
    // The committer's keys start at 1 in each run.
    const db = new Database(path);
    db.exec("DELETE FROM idempotency");
    db.close();
  }
});

test("[S14] a second process is refused and told who holds the database", async () => {
  const child = spawn(process.execPath, [COMMITTER, path], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(child.stdout, "data");
    expect(() => open()).toThrow(
      expect.objectContaining({ kind: "locked", message: expect.stringContaining(`process ${child.pid} on `) }),
    );
  } finally {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
  withStore((store) => expect(store.load().installation).toBe(INSTALLATION));
});

test("[S14] a second opening in the same process is refused too", () => {
  withStore(() => expect(() => open()).toThrow("Only one hub may use it"));
});

test("[S15] a database of a newer version is refused and left alone", () => {
  withStore((store) => store.commit(commit([nodeSet(node(1))])));
  const db = new Database(path);
  db.pragma(`user_version = ${SCHEMA_VERSION + 1}`);
  db.close();
  expect(() => open()).toThrow(
    expect.objectContaining({ kind: "newer", message: expect.stringContaining("Start the newer version again") }),
  );
  const after = new Database(path);
  expect(after.pragma("user_version", { simple: true })).toBe(SCHEMA_VERSION + 1);
  after.close();
});

test("[S3] a revision that an older version wrote with fewer fields is the same revision again", () => {
  withStore((store) => store.commit(commit([appSet({ ...app("shop", 1), spec: shop })])));
  const db = new Database(path);
  const row = db.prepare<[], { spec: string }>("SELECT spec FROM revision").get();
  const spec = JSON.parse(row?.spec ?? "");
  expect(spec.services[0]).toHaveProperty("probes");
  // What the version before did not know.
  for (const service of spec.services)
    for (const key of ["probes", "update", "rollback", "rollout", "times", "priority"]) delete service[key];
  db.prepare("UPDATE revision SET spec = ?").run(JSON.stringify(spec));
  db.close();
  withStore((store) => {
    const [loaded] = store.load().apps;
    if (loaded === undefined) throw new Error("nothing was loaded");
    store.commit(commit([appSet({ ...loaded, lastGood: 1 })]));
    expect(store.load().apps[0]?.lastGood).toBe(1);
    const other = { ...loaded, spec: { ...loaded.spec, services: [] } };
    expect(() => store.commit(commit([appSet(other)]))).toThrow("other content");
  });
});

test("[S15] a migration is whole or not at all", () => {
  const db = new Database(path);
  const steps = ["CREATE TABLE one (a)", "CREATE TABLE two (b); INSERT INTO nowhere VALUES (1)"];
  expect(() => migrate(db, path, steps)).toThrow("nowhere");
  expect(db.pragma("user_version", { simple: true })).toBe(1);
  expect(db.prepare("SELECT name FROM sqlite_schema").all()).toEqual([{ name: "one" }]);
  migrate(db, path, [steps[0] ?? "", "CREATE TABLE two (b)"]);
  expect(db.pragma("user_version", { simple: true })).toBe(2);
  db.close();
});

const DAMAGE: readonly (readonly [string, (file: string) => void])[] = [
  ["empty", (file) => truncateSync(file, 0)],
  ["cut short", (file) => truncateSync(file, 8_192)],
  ["not a database", (file) => writeFileSync(file, "hello, I am a text file\n".repeat(500))],
  ["another program's database", (file) => otherDatabase(file)],
  ["overwritten in the middle", (file) => overwrite(file)],
];

test.each(DAMAGE)("[S16] a database that is %s is refused with what to do, and never replaced", (_what, damage) => {
  withStore((store) => {
    store.commit(commit([appSet(app("shop", 1)), nodeSet(node(1))]));
    for (let round = 0; round < 50; round += 1) store.commit(commit([brakeEvent(round)]));
  });
  damage(path);
  const damaged = readFileSync(path);
  expect(() => open()).toThrow(
    expect.objectContaining({ kind: "damaged", message: expect.stringContaining("put back a backup") }),
  );
  expect(readFileSync(path).equals(damaged)).toBe(true);
});

function otherDatabase(file: string): void {
  rmSync(file);
  const db = new Database(file);
  db.exec("CREATE TABLE hub (a)");
  db.close();
}

function overwrite(file: string): void {
  const bytes = readFileSync(file);
  bytes.fill(0xa5, 4_096 * 2, Math.min(bytes.length, 4_096 * 6));
  writeFileSync(file, bytes);
}

test("[S16] a log without its database is damage, not a first start", () => {
  writeFileSync(`${path}-wal`, "left behind");
  expect(() => open()).toThrow(
    expect.objectContaining({ kind: "damaged", message: expect.stringContaining("is missing") }),
  );
  expect(existsSync(path)).toBe(false);
});

test("[S16] a first start that was cut off is begun anew", () => {
  appendFileSync(`${path}.new`, "half a database");
  withStore((store) => expect(store.load().seq).toBe(0));
  expect(existsSync(`${path}.new`)).toBe(false);
});

test("[S16] a folder that cannot be made is said by name", () => {
  writeFileSync(join(folder, "file"), "");
  expect(() => open(join(folder, "file", "hub.sqlite"))).toThrow(
    expect.objectContaining({ kind: "unwritable", message: expect.stringContaining(join(folder, "file")) }),
  );
});

test("[S17] the disk is waited for at each commit, and only what is written behind does not wait", () => {
  const { db, lock } = openDatabase(path, 0, () => ({ installation: INSTALLATION, epoch: 1 }));
  const FULL = 2;
  const settings = () =>
    ["journal_mode", "synchronous", "foreign_keys"].map((name) => db.pragma(name, { simple: true }));
  try {
    expect(settings()).toEqual(["wal", FULL, 1]);
    const saveObserved = prepareObserved(db);
    saveObserved(nodeId(1), [status("shop/web/1", 1)]);
    expect(settings()).toEqual(["wal", FULL, 1]);
    db.pragma("query_only = ON");
    expect(() => saveObserved(nodeId(1), [])).toThrow("readonly");
    expect(settings()).toEqual(["wal", FULL, 1]);
  } finally {
    db.close();
    lock.release();
  }
});

const SPOILS: readonly (readonly [string, string, string])[] = [
  ["an actor changed", "UPDATE audit SET body = replace(body, 'admin', 'mia') WHERE number = 3", "entry 3 was changed"],
  ["no JSON any more", "UPDATE audit SET body = 'x' WHERE number = 3", "entry 3 was changed"],
  ["another hash", "UPDATE audit SET hash = replace(hash, '1', '2') WHERE number = 3", "entry 3 was changed"],
  ["taken out", "DELETE FROM audit WHERE number = 3", "entry 4 does not follow entry 2"],
  ["the beginning cut off", "DELETE FROM audit WHERE number < 3", "entry 3 does not follow entry 0"],
  ["the end cut off", "DELETE FROM audit WHERE number > 3", "ends before 5"],
  ["all gone", "DELETE FROM audit", "ends before 5"],
];

test.each(SPOILS)(
  "[S34] audit entries that were spoilt (%s) are found and given back, and the hub goes on",
  (_what, sql, says) => {
    withStore((store) => {
      for (let round = 0; round < 5; round += 1) store.commit({ ...commit([brakeEvent(round)]), audit: audit() });
    });
    const db = new Database(path);
    db.exec(sql);
    db.close();
    withStore((store) => {
      expect(fault(store)).toContain(says);
      store.commit({ ...commit([nodeSet(node(1))]), audit: audit() });
      expect(store.load().nodes).toHaveLength(1);
      expect(fault(store)).not.toBeNull();
    });
  },
);

/** What is the first thing wrong with the audit log. */
function fault(store: Store): string | null {
  const page = store.audit({
    ...{ actor: null, target: null, targetId: null, sinceMs: null, outcome: null, limit: 100 },
    from: { kind: "after", number: 0 },
  });
  let link = page.trimmed;
  for (const entry of page.items) {
    const next = follow(link, entry);
    if (!next.ok) return next.error;
    link = next.value;
  }
  return link.hash === page.last.hash ? null : `ends before ${page.last.number}`;
}

/** A disk image, mounted; null where this user may not mount one. A copy of the image, taken at any moment, is what a power cut leaves. */
function diskImage(): { readonly image: string; readonly at: string; readonly remove: () => void } | null {
  const image = join(folder, "disk.img");
  const at = mkdtempSync(join(folder, "disk-"));
  writeFileSync(image, "");
  truncateSync(image, 64 * 1_048_576);
  if (spawnSync("mkfs.ext4", ["-q", image]).status !== 0) return null;
  if (spawnSync("mount", ["-o", "loop", image, at]).status !== 0) return null;
  return { image, at, remove: () => void spawnSync("umount", [at]) };
}

test("[S21] every commit that was acknowledged is there after a power cut", async () => {
  const disk = diskImage();
  if (disk === null) {
    console.warn("no right to mount a disk image: the power cut was not tried on a real file system");
    return;
  }
  const child = spawn(process.execPath, [COMMITTER, join(disk.at, "hub.sqlite")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = once(child, "exit");
  const cut = join(folder, "cut.img");
  let acknowledged = 0;
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const seq = Number(line) || 0;
      if (seq < 40 || acknowledged > 0) continue;
      acknowledged = seq;
      // While the committer goes on: what only the kernel's cache holds is not in the image.
      copyFileSync(disk.image, cut);
      child.kill("SIGKILL");
    }
    await gone;
  } finally {
    child.kill("SIGKILL");
    await gone;
    disk.remove();
  }
  const at = mkdtempSync(join(folder, "cut-"));
  expect(spawnSync("mount", ["-o", "loop", cut, at]).status).toBe(0);
  try {
    withStore(
      (store) => {
        const { seq } = store.load();
        expect(seq).toBeGreaterThanOrEqual(acknowledged);
        expect(store.watch(0, 100_000)).toHaveLength(seq);
        expect(wholeAudit(store)).toHaveLength(seq);
      },
      join(at, "hub.sqlite"),
    );
  } finally {
    spawnSync("umount", [at]);
  }
});

/** A disk of 4 MB that can be filled; null where this user may not mount one. */
function smallDisk(): { readonly at: string; readonly remove: () => void } | null {
  const at = mkdtempSync(join(folder, "disk-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", at]);
  if (mounted.status !== 0) return null;
  return { at, remove: () => void spawnSync("umount", [at]) };
}

/** Where no disk can be mounted, SQLite's own page limit gives the same error code. */
function fillAndFree(database: string): { readonly fill: () => void; readonly free: () => void } {
  const ballast = join(dirname(database), "ballast");
  return {
    fill: () => void spawnSync("dd", ["if=/dev/zero", `of=${ballast}`, "bs=4096"]),
    free: () => rmSync(ballast),
  };
}

test("[S18] a full disk refuses the change whole, reads go on, and it works again when there is room", () => {
  const disk = smallDisk();
  if (disk === null) {
    // Said aloud: the memory store's hook covers the callers; this needs root.
    console.warn("no right to mount a small disk: the full disk was not tried on a real file system");
    return;
  }
  try {
    withStore(
      (store) => {
        store.commit(commit([nodeSet(node(1))]));
        const { fill, free } = fillAndFree(join(disk.at, "hub.sqlite"));
        fill();
        const { seq } = store.load();
        let stored = seq;
        // What the log has allocated already is used up first.
        const attempt = (): void => {
          for (;;) stored = store.commit(commit([brakeEvent(stored), appSet(app(`big${stored}`, 1))]));
        };
        expect(attempt).toThrow(expect.objectContaining({ kind: "full" }));
        expect(attempt).toThrow(expect.objectContaining({ kind: "full" }));
        expect(store.load()).toMatchObject({ seq: stored, nodes: [node(1)] });
        expect(store.load().apps).toHaveLength(stored - seq);
        expect(
          store.events({ app: null, node: null, workload: null, afterId: null, limit: 1_000, within: null }),
        ).toHaveLength(stored - seq);
        free();
        expect(store.commit(commit([nodeSet(node(2))]))).toBe(stored + 1);
      },
      join(disk.at, "hub.sqlite"),
    );
    withStore((store) => expect(store.load().nodes).toHaveLength(2), join(disk.at, "hub.sqlite"));
  } finally {
    disk.remove();
  }
});

test("[S19] damage that is met while running stops all changes until a restart", () => {
  const LARGE = "x".repeat(100_000);
  const change = (name: string): DurableChange => ({ kind: "app-set", app: app(name, 1), source: LARGE });
  withStore((store) => {
    // More than SQLite's page cache (2 MB), so that it must read the file again.
    for (let round = 0; round < 80; round += 1) store.commit(commit([change(`app${round}`)]));
  });
  const store = open();
  try {
    writeFileSync(path, readFileSync(path).fill(0xa5, 4_096));
    const broken = expect.objectContaining({ kind: "broken" });
    const readAll = (): void => {
      for (let round = 0; round < 80; round += 1) store.revision(appName(`app${round}`), 1);
    };
    expect(readAll).toThrow(broken);
    expect(() => store.commit(commit([nodeSet(node(99))]))).toThrow(broken);
  } finally {
    store.close();
  }
});
