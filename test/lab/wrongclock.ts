// A wall clock that is wrong, and that jumps while a program runs: Debian's libfaketime between the program and the C library. Only the
// wall clock is faked; the monotonic one and the time since boot stay true, as on a machine whose battery for the clock is empty.
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Its folder is named after the machine's architecture, as with all of Debian's libraries. */
const LIBRARIES = "/usr/lib";
/** The build for programs with threads. */
const LIBRARY = "faketime/libfaketimeMT.so.1";

export class WrongClock {
  readonly environment: Readonly<Record<string, string>>;
  readonly #file: string;

  /** `offset`: from the true time, in libfaketime's words: "-25y", "+30d". */
  constructor(folder: string, name: string, offset: string) {
    this.#file = join(folder, `clock-${name}`);
    this.environment = {
      LD_PRELOAD: library(),
      FAKETIME_TIMESTAMP_FILE: this.#file,
      // Read at every look, so that a jump is seen at once.
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1",
    };
    this.jump(offset);
  }

  /** From now on the clock is off by this. */
  jump(offset: string): void {
    // In one step: a look at a half-written file would be a look at the true time.
    writeFileSync(`${this.#file}.new`, `${offset}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}

const SHARED = "/dev/shm";
const OF_FAKETIME = /^(?:faketime_shm|sem\.faketime_sem)_\d+$/;

/** What libfaketime shares among a program's processes; one that is killed leaves it behind. */
const sharedFiles = (): readonly string[] => readdirSync(SHARED).filter((name) => OF_FAKETIME.test(name));

/** Remembers what is there; call the result when all programs with wrong clocks have ended: it removes what they left. */
export function watchShared(): () => void {
  const before = new Set(sharedFiles());
  return () => {
    for (const name of sharedFiles()) if (!before.has(name)) rmSync(join(SHARED, name), { force: true });
  };
}

function library(): string {
  const found = readdirSync(LIBRARIES)
    .map((name) => join(LIBRARIES, name, LIBRARY))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error(`there is no ${LIBRARY} below ${LIBRARIES}: apt-get install faketime`);
  return found;
}
