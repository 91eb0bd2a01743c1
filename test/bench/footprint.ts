// footprint: an agent with 20 containers at rest. Memory and CPU from /proc, bytes on the wire from the kernel's counters of its
// own link (all headers included), bytes on the card from /proc/PID/io. The metered node is measured over whole heartbeats.
import { readFile } from "node:fs/promises";
import { type Fleet, type FleetNode, startFleet } from "../lab/fleet.ts";
import { BASE } from "../lab/images.ts";
import { sleep, until } from "../lab/wait.ts";
import { type Bench, round } from "./figures.ts";

const CONTAINERS = 20;
/** After the last start: health checks, reports and garbage collection have settled, and it is written that this boot has lasted two minutes. */
const SETTLE_MS = 135_000;
const REST_MS = 120_000;
/** What a metered agent found out at its start (its model, by a slow way) is told once, within its report period of 300 s. */
const SETTLE_METERED_MS = 330_000;
/** Two heartbeats of a metered node. */
const METERED_MS = 480_000;
const UP_WITHIN_MS = 180_000;
const DAY_MS = 86_400_000;
/** Of the kernel: USER_HZ, 100 on every Debian. */
const TICKS_PER_SECOND = 100;

export const footprint: Bench = {
  name: "footprint",
  says: `an agent with ${CONTAINERS} containers at rest for two minutes, and the wire of a metered one for eight, once it has settled for five`,
  async run(say) {
    const quick = process.argv.includes("--quick");
    await using fleet = await startFleet({ nodes: 2, labels: (number) => ({ number: String(number) }) });
    const [plain, metered] = [fleet.node(1), fleet.node(Math.min(2, fleet.nodes.length))];
    await apply(fleet);
    if (fleet.nodes.length > 1) await makeMetered(fleet, metered);
    await until("20 containers run on each node", () => fleet.allGood("rest"), UP_WITHIN_MS);
    say(`${CONTAINERS} containers run; settling`);
    await sleep(SETTLE_MS);
    const before = await look(plain);
    await sleep(REST_MS);
    const after = await look(plain);
    const seconds = (after.atMs - before.atMs) / 1000;
    say(`RSS ${after.rssMb} MB (was ${before.rssMb}); now the metered node's wire`);
    if (!quick) await sleep(SETTLE_METERED_MS - REST_MS);
    const meteredBefore = await wireBytes(metered);
    const meteredAt = performance.now();
    await sleep(quick ? REST_MS : METERED_MS);
    const meteredMs = performance.now() - meteredAt;
    const perDay = (bytes: number, ms: number): number => round((bytes * DAY_MS) / ms / 1e6, 2);
    return {
      rss_mb: after.rssMb,
      rss_start_mb: before.rssMb,
      private_mb: after.privateMb,
      cpu_percent: round(((after.cpuTicks - before.cpuTicks) / TICKS_PER_SECOND / seconds) * 100, 2),
      wire_mb_per_day: perDay(after.wireBytes - before.wireBytes, after.atMs - before.atMs),
      wire_metered_mb_per_day: perDay((await wireBytes(metered)) - meteredBefore, meteredMs),
      disk_bytes: after.diskBytes - before.diskBytes,
      containers: CONTAINERS,
    };
  },
};

async function apply(fleet: Fleet): Promise<void> {
  const service = { image: BASE.name, stop_grace_period: "0s", deploy: { mode: "global" } };
  const names = Array.from({ length: CONTAINERS }, (_, index) => `s${index + 1}`);
  await fleet.apply("rest", JSON.stringify({ services: Object.fromEntries(names.map((name) => [name, service])) }));
}

/** Restarted with the flag: what runs is not touched. */
async function makeMetered(fleet: Fleet, node: FleetNode): Promise<void> {
  await node.stopAgent();
  node.startAgent(null, ["--metered"]);
  await fleet.allReady();
}

interface Look {
  readonly atMs: number;
  readonly rssMb: number;
  readonly privateMb: number;
  readonly cpuTicks: number;
  readonly wireBytes: number;
  readonly diskBytes: number;
}

async function look(node: FleetNode): Promise<Look> {
  const pid = node.agent?.pid;
  const [rollup, stat, io] = await Promise.all(
    ["smaps_rollup", "stat", "io"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8")),
  );
  const kb = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(rollup ?? "")?.[1] ?? 0);
  // After the command's name in brackets, field 14 (utime) is the 12th.
  const fields = (stat ?? "").slice((stat ?? "").lastIndexOf(")") + 2).split(" ");
  return {
    atMs: performance.now(),
    rssMb: round(kb("Rss") / 1024, 1),
    privateMb: round((kb("Private_Clean") + kb("Private_Dirty")) / 1024, 1),
    cpuTicks: Number(fields[11]) + Number(fields[12]),
    wireBytes: await wireBytes(node),
    diskBytes: Number(/^write_bytes: (\d+)/m.exec(io ?? "")?.[1] ?? 0),
  };
}

async function wireBytes(node: FleetNode): Promise<number> {
  const traffic = await node.site.network?.traffic();
  return (traffic?.fromNodeBytes ?? 0) + (traffic?.toNodeBytes ?? 0);
}
