// The simulator's ledger: the same content and rules over a disk that is a value. A commit is atomic and durable when it returns, as
// SQLite's with synchronous=FULL is; the disk decides when it is full, broken, or when the power goes. Never used in production.
import { assignmentFault } from "./authentic.ts";
import { applyChanges, emptyContent } from "./content.ts";
import { type Ledger, type LedgerChange, type LedgerContent, LedgerError } from "./ledger.ts";
import type { OpenedLedger } from "./opened.ts";

/** What the disk does at a commit. `cut-before` and `cut-after`: the power goes, and nobody hears whether it was kept. */
export type DiskAnswer = "written" | "full" | "broken" | "cut-before" | "cut-after";

/** Thrown at a power cut: the process is gone. The simulator catches it and starts a new agent over the same disk. */
export class PowerCutError extends Error {
  override name = "PowerCutError";
}

/** Outlives the agents that write on it. */
export class MemoryDisk {
  /** Set by a fault plan; asked once per commit. */
  onCommit: (changes: readonly LedgerChange[]) => DiskAnswer = () => "written";
  /** For checkers: how often something was written. */
  commits = 0;
  #content: LedgerContent = emptyContent;
  #damaged = false;
  /** Why it was started empty, until an event that says so is durable. */
  #untold: string | null = null;

  content(): LedgerContent {
    return this.#content;
  }

  /** The ledger proper becomes unreadable; identity and the numbering of events live apart and survive. */
  damage(): void {
    this.#damaged = true;
  }

  open(): { content: LedgerContent; rebuilt: string | null } {
    const fault = assignmentFault(this.#content);
    if (!this.#damaged && fault === null) return { content: this.#content, rebuilt: this.#untold };
    const { identity, nextSeq } = this.#content;
    this.#content = { ...emptyContent, identity, nextSeq };
    this.#damaged = false;
    if (identity !== null) this.#untold = `the ledger was damaged${fault === null ? "" : `: ${fault}`}`;
    return { content: this.#content, rebuilt: this.#untold };
  }

  write(changes: readonly LedgerChange[], content: LedgerContent): void {
    const answer = this.onCommit(changes);
    if (answer === "full") throw new LedgerError("full", "no space left for the ledger");
    if (answer === "broken") throw new LedgerError("broken", "the ledger's disk failed");
    if (answer === "cut-before") throw new PowerCutError("power cut before the commit");
    this.#content = content;
    this.commits += 1;
    if (changes.some((change) => change.kind === "event" && change.event.kind === "ledger-rebuilt"))
      this.#untold = null;
    if (answer === "cut-after") throw new PowerCutError("power cut after the commit");
  }
}

export function openMemoryLedger(disk: MemoryDisk = new MemoryDisk()): OpenedLedger {
  const { content, rebuilt } = disk.open();
  return { ledger: new MemoryLedger(disk, content), rebuilt };
}

class MemoryLedger implements Ledger {
  readonly #disk: MemoryDisk;
  #content: LedgerContent;
  #closed = false;

  constructor(disk: MemoryDisk, content: LedgerContent) {
    this.#disk = disk;
    this.#content = content;
  }

  content(): LedgerContent {
    return this.#content;
  }

  commit(changes: readonly LedgerChange[]): void {
    if (changes.length === 0) return;
    if (this.#closed) throw new LedgerError("broken", "the ledger is closed");
    const { content } = applyChanges(this.#content, changes);
    this.#disk.write(changes, content);
    this.#content = content;
  }

  close(): void {
    this.#closed = true;
  }
}
