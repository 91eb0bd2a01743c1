// Why a hub's database was not opened. The message is for the operator: what, which file, what to do next.

/** `locked`: another process holds it. `newer`: written by a later version. `damaged`: do not start. `unwritable`: rights or space. */
export type StoreOpenKind = "locked" | "newer" | "damaged" | "unwritable";

export class StoreOpenError extends Error {
  override name = "StoreOpenError";
  readonly kind: StoreOpenKind;
  constructor(kind: StoreOpenKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.kind = kind;
  }
}
