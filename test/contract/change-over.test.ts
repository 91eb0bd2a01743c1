// The change-over on a real engine: the whole loop with a ledger and no hub. What the simulated engine cannot show: renames of running
// containers, a folder that a container's own user writes a lease into, and that something serves at every moment.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initialLinkState } from "@skerry/agent/core/link-state.ts";
import { dockerEngine } from "@skerry/agent/engine/docker.ts";
import { labelKey } from "@skerry/agent/engine/labels.ts";
import type { Ledger } from "@skerry/agent/ledger/ledger.ts";
import { MemoryDisk, openMemoryLedger } from "@skerry/agent/ledger/memory.ts";
import { createReconciler } from "@skerry/agent/reconciler/loop.ts";
import type { Reconciler } from "@skerry/agent/reconciler/reconciler.ts";
import { changeTimes } from "@skerry/agent/times/times.ts";
import type { Workload } from "@skerry/shared/model/assignment.ts";
import { NO_UPDATE_TIMES, PLAIN_CHANGE_OVER } from "@skerry/shared/model/plain.ts";
import type { WorkloadStatus } from "@skerry/shared/model/report.ts";
import { systemClock } from "@skerry/shared/runtime/clock.ts";
import { silentLog } from "@skerry/shared/runtime/log.ts";
import { systemRandom } from "@skerry/shared/runtime/random.ts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { BASE } from "../lab/images.ts";
import { type Lab, startLab } from "../lab/lab.ts";
import { until } from "../lab/wait.ts";
import { assignment, BOOT, tombstone, workload } from "../unit/agent/scenario.ts";
import { IDENTITY } from "../unit/agent/site.ts";

const SOON_MS = 30_000;
const STEADY = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
const HOLD = { ...NO_UPDATE_TIMES, hold: { maxMs: 60_000 } };

/** Asks the others by name. */
const CLIENT = workload("client", { spec: { image: BASE.name, entrypoint: ["/bin/sh", "-c"], stopGraceMs: 1_000 } });

let lab: Lab;
let folder: string;
let ledger: Ledger;
let reconciler: Reconciler;
let generation = 0;

beforeAll(async () => {
  lab = await startLab({ nodes: 1 });
  folder = mkdtempSync(join(tmpdir(), "skerry-change-over-"));
  ledger = openMemoryLedger(new MemoryDisk()).ledger;
  ledger.commit([{ kind: "identity", identity: IDENTITY }]);
  const link = { ...initialLinkState(BOOT, null, 0), connected: true };
  reconciler = createReconciler({
    ...{ clock: systemClock, random: systemRandom, log: silentLog, ledger, bootId: BOOT },
    engine: dockerEngine({ socketPath: lab.node(1).engine.socketPath, clock: systemClock }),
    labelKey: labelKey(IDENTITY),
    link: () => link,
    // No probe in these specs.
    ask: async () => null,
    metered: false,
    times: changeTimes({ clock: systemClock, log: silentLog, dataDir: folder, synchronised: () => null }),
    safeMode: () => false,
    ledgerLost: null,
  });
  void reconciler.run();
});
afterAll(async () => {
  await reconciler?.stop();
  await lab?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  assign([]);
  await until("the node is empty", async () => (await containers()).length === 0, SOON_MS);
});

function assign(workloads: readonly Workload[]): void {
  generation += 1;
  const retired = workloads.length === 0 ? [tombstone(version(1).id), tombstone(CLIENT.id)] : [];
  const next = assignment(workloads, { position: { epoch: 1, generation }, retired });
  ledger.commit([{ kind: "assignment", assignment: next, seal: null }]);
  reconciler.wake("assignment");
}

function version(revision: number, script = STEADY, options: Partial<Workload> = {}): Workload {
  const spec = { image: BASE.name, entrypoint: ["/bin/sh", "-c"], command: [script], stopGraceMs: 1_000 };
  return { ...workload("web", { revision, hash: `a${revision}`, spec }), ...options };
}

function over(from: Workload, to: Workload, order: "stop-first" | "start-first" = "stop-first"): Workload {
  const { revision, specHash, spec, probes } = from;
  const previous = { revision, specHash, spec, probes };
  return { ...to, changeOver: { ...PLAIN_CHANGE_OVER, order, monitorMs: 2_000, onFailure: "revert", previous } };
}

const containers = async (): Promise<readonly { name: string; state: string; id: string }[]> => {
  const listed = await lab.node(1).engine.api.containers();
  return listed
    .map(({ Names, State, Id }) => ({ name: (Names[0] ?? "").slice(1), state: State, id: Id }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
};
const names = async (): Promise<string[]> => (await containers()).map(({ name, state }) => `${name} ${state}`);
const status = (): WorkloadStatus | undefined => reconciler.statuses().find(({ id }) => id === version(1).id);

async function runs(one: Workload): Promise<string> {
  assign([one]);
  await until("the first one runs and has passed", async () => status()?.gate.kind === "passed", SOON_MS);
  return (await containers())[0]?.id ?? "";
}

test("[N101] a bad revision goes back to the very container that ran, under its own name", async () => {
  const id = await runs(version(1));
  assign([over(version(1), version(2, "sleep 0.5; exit 3"))]);
  await until("it went back", async () => status()?.gate.kind === "failed" && status()?.revision === 1, SOON_MS);
  await until("only the old one stands", async () => (await names()).join() === "shop-web-1 running", SOON_MS);
  expect((await containers())[0]?.id).toBe(id);
  expect(status()?.gate).toMatchObject({ reverted: true, reason: expect.stringContaining("exit 3") });
});

test("[N112] start-first something runs at every look, and the new one ends under the right name", async () => {
  await runs(version(1));
  assign([over(version(1), version(2), "start-first")]);
  let fewest = Number.POSITIVE_INFINITY;
  await until(
    "the new one has taken over",
    async () => {
      const all = await names();
      fewest = Math.min(fewest, all.filter((one) => one.endsWith("running")).length);
      return status()?.gate.kind === "passed" && status()?.revision === 2 && all.join() === "shop-web-1 running";
    },
    SOON_MS,
  );
  expect(fewest).toBe(1);
});

/** Two seconds to come up, tells its revision, and ends at once when it is told to. */
const serving = (revision: number): Workload => {
  const made = version(revision, `sleep 2; mkdir /www; echo v${revision} > /www/title; exec httpd -f -p 8080 -h /www`);
  const test = ["CMD-SHELL", "wget -q -O /dev/null http://127.0.0.1:8080/title"];
  const times = { intervalMs: 500, timeoutMs: 5_000, startPeriodMs: 10_000, startIntervalMs: null, retries: 3 };
  return { ...made, spec: { ...made.spec, init: true, healthcheck: { test, ...times } } };
};
/** One try each, by name; one that hangs counts as lost. */
const ASK = "while :; do timeout 10 wget -q -O - http://web:8080/title || echo LOST; done";

test("[N134] [N135] start-first, clients that try once lose nothing, and reach the new one only when it has passed", async () => {
  await runs(serving(1));
  const client = { ...CLIENT, spec: { ...CLIENT.spec, command: [[ASK, ASK, ASK].join(" & ")], init: true } };
  const told = async (): Promise<string[]> => (await lab.node(1).engine.api.logs("shop-client-1")).trim().split("\n");
  assign([serving(1), client]);
  await until("the load runs", async () => (await told().catch(() => [])).length > 50, SOON_MS);
  assign([over(serving(1), serving(2), "start-first"), client]);
  let early = false;
  await until(
    "the new one has taken over",
    async () => {
      const answers = await told();
      early ||= status()?.gate.kind === "open" && answers.includes("v2");
      return (await names()).join() === "shop-client-1 running,shop-web-1 running" && status()?.revision === 2;
    },
    SOON_MS,
  );
  const before = (await told()).length;
  await until("it serves alone", async () => (await told()).length > before + 50, SOON_MS);
  const answers = await told();
  expect([early, [...new Set(answers)].sort()]).toEqual([false, ["v1", "v2"]]);
  expect(new Set(answers.slice(before))).toEqual(new Set(["v2"]));
});

test("[N116] a lease that the container's own user wrote puts its update off, and runs out when its holder dies", async () => {
  const write = `echo '{"owner":"till","reason":"a sale","ttlSeconds":8}' > /run/skerry/hold.new && mv /run/skerry/hold.new /run/skerry/hold`;
  const holder = version(1, `${write}; ${STEADY}`, { times: HOLD });
  const asNobody = { ...holder, spec: { ...holder.spec, user: "65534:65534" } };
  await runs(asNobody);
  const next = { ...over(asNobody, version(2)), times: HOLD };
  assign([next]);
  await until("it is held", async () => status()?.hold?.owner === "till" && status()?.gate.kind === "open", SOON_MS);
  expect(status()).toMatchObject({ revision: 1, gate: { waits: "hold", reason: "held by till: a sale" } });
  expect(await names()).toEqual(["shop-web-1 running"]);
  await until(
    "the lease has run out",
    async () => status()?.gate.kind === "passed" && status()?.revision === 2,
    SOON_MS,
  );
  const told = ledger.content().outbox.map(({ event }) => event.kind);
  expect(told.filter((kind) => kind === "held" || kind === "hold-ended")).toEqual(["held", "hold-ended"]);
});
