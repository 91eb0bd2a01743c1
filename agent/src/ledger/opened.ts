// What opening a ledger gives, whatever it is kept in.
import type { Ledger } from "./ledger.ts";

export interface OpenedLedger {
  readonly ledger: Ledger;
  /** Why it had to be started empty although this node had one, in plain words; null: it was read, or this is the first start. */
  readonly rebuilt: string | null;
}
