// Runs the store's contract against both implementations.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMemoryDisk, openMemoryStore } from "../../hub/src/store/memory.ts";
import { openSqliteStore } from "../../hub/src/store/sqlite/store.ts";
import type { Store } from "../../hub/src/store/store.ts";
import { INSTALLATION, type StoreUnderTest, storeContract } from "./store.ts";

function sqlite(): StoreUnderTest {
  const folder = mkdtempSync(join(tmpdir(), "skerry-store-"));
  let open: Store | null = null;
  const under: StoreUnderTest = {
    open(limits) {
      const first = () => ({ installation: INSTALLATION, epoch: 1 });
      const path = join(folder, "hub.sqlite");
      open = openSqliteStore({ path, startedAtMs: 0, first, ...(limits === undefined ? {} : { limits }) });
      return open;
    },
    // A process that is killed cannot be had within one process (its locks would stay); the child-process test does it for real.
    crash(store) {
      store.close();
      return under.open();
    },
    remove() {
      open?.close();
      rmSync(folder, { recursive: true });
    },
  };
  return under;
}

function memory(): StoreUnderTest {
  const disk = createMemoryDisk({ installation: INSTALLATION, epoch: 1 });
  return { open: (limits) => openMemoryStore(disk, limits), crash: () => openMemoryStore(disk), remove() {} };
}

storeContract("SQLite", sqlite);
storeContract("memory", memory);
