// Is the hub taking changes? From the state of its storage, in words with what to do.
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { HttpDeps } from "./deps.ts";
import type { Health } from "./schemas/system.ts";

export function health(deps: Pick<HttpDeps, "loop" | "stopping">): Health {
  if (deps.stopping()) {
    return { status: "stopping", reason: "The hub is shutting down; what runs on the nodes runs on." };
  }
  const storage = deps.loop.storage();
  switch (storage.kind) {
    case "ok":
      return { status: "ok", reason: "The hub takes changes." };
    case "full":
      return {
        status: "full",
        reason:
          "The disk that holds the hub's database is full: changes are refused, reads go on. Free some space; the hub notices by itself.",
      };
    case "broken":
      return {
        status: "read-only",
        reason:
          "The hub's storage failed: changes are refused, reads go on. Look at the hub's log and its disk, then restart the hub.",
      };
    default:
      return assertNever(storage);
  }
}
