// The lease of fenced workloads in a small file where a reboot clears it (/run): a restart of the agent must not stop them, and a reboot
// must not start them. Written only while something fenced is assigned. Losing it is safe.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "@skerry/shared/runtime/log.ts";
import * as z from "zod/mini";
import type { SavedLease } from "../core/link-state.ts";
import type { LeaseKeeper } from "./link.ts";

const leaseSchema = z.object({ bootId: z.string(), leaseFromMs: z.number() });

/** One file per node: several agents may share a machine. */
export function leaseFile(runDir: string, node: string, log: Log): LeaseKeeper {
  const path = join(runDir, `lease-${node}`);
  let failing = false;
  return {
    load(): SavedLease | null {
      try {
        return leaseSchema.parse(JSON.parse(readFileSync(path, "utf8")));
      } catch {
        return null;
      }
    },
    save(lease) {
      try {
        mkdirSync(runDir, { recursive: true, mode: 0o755 });
        // Replaced in one step, so that it is never half there. Not synced: it need not survive the power.
        writeFileSync(`${path}.new`, JSON.stringify(lease), { mode: 0o600 });
        renameSync(`${path}.new`, path);
        failing = false;
      } catch (error) {
        if (!failing) {
          log.warn("the lease is not kept: a restart of this agent stops fenced workloads until the hub is heard", {
            path,
            reason: error instanceof Error ? error.message : String(error),
          });
        }
        failing = true;
      }
    },
  };
}
