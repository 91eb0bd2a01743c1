// Run by store-sqlite.test.ts in a process of its own, to be killed while it commits. Prints each seq once its commit has returned.
import type { InstallationId } from "@skerry/shared/model/ids.ts";
import { openSqliteStore } from "../../hub/src/store/sqlite/store.ts";

const [path = ""] = process.argv.slice(2);
const first = { installation: "i0123456789abcdef" as InstallationId, epoch: 1 };
const store = openSqliteStore({ path, startedAtMs: 0, first: () => first });
process.stdout.write("open\n");
for (let round = 1; ; round += 1) {
  const event = { kind: "brake-on", unreachable: round, nodes: round } as const;
  const seq = store.commit({
    changes: [{ kind: "hub-event", event }],
    wallMs: round,
    actor: "test",
    idempotency: { key: `round ${round}`, requestHash: "", status: 200, body: "" },
    audit: {
      ...{
        actor: "test",
        credential: null,
        address: null,
        agent: null,
        what: "applyApp",
        target: null,
        targetId: null,
      },
      ...{ before: null, after: `round ${round}`, outcome: "done", code: null, count: 1 },
    },
  });
  // Synchronous, so that what the parent reads was printed after the commit and before the next one.
  process.stdout.write(`${seq}\n`);
}
