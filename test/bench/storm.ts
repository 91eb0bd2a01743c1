// storm: 2,000 simulated nodes lose their connections in one moment and all dial at once, over TLS, with signatures, against a real hub. How long
// until the last one is heard again, what that costs the hub, and whether anything was told to move (nothing may be).
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { sleep, until } from "../lab/wait.ts";
import type { Storm } from "./crowd.ts";
import { type CrowdedHub, startCrowdedHub } from "./crowded-hub.ts";
import { type Bench, type Figures, median, round } from "./figures.ts";
import { composeFile, rssMb, SERVICES } from "./hub.ts";

const NODES = 2_000;
const STORMS = 3;
const PLACED_WITHIN_MS = 600_000;
/** Between two storms: what the last one left to be written is written. */
const CALM_MS = 5_000;
const LOOK_MS = 100;
const LARGE_FLEET = 10_000;

export const storm: Bench = {
  name: "storm",
  says: `${NODES} simulated nodes × ${SERVICES} workloads reconnect at once with TLS and signatures, ${STORMS} times`,
  async run(say) {
    const quick = process.argv.includes("--quick");
    await using crowded = await startCrowdedHub(quick ? 200 : NODES, say);
    const { fleet, nodes } = crowded;
    await fleet.apply("crowd", composeFile(1));
    await until("every node has its workloads", () => crowded.withRevision(1, SERVICES) === nodes, PLACED_WITHIN_MS);
    const restingMb = await rssMb(crowded.hubPid);
    const storms: Measured[] = [];
    for (let number = 1; number <= STORMS; number++) {
      await sleep(CALM_MS);
      const one = await measure(crowded);
      storms.push(one);
      say(`storm ${number}: ${round(one.seconds)} s, ${one.tries} dials, hub CPU ${one.cpuS} s, RSS ${one.peakMb} MB`);
    }
    await until("the hub shows all of it as good", () => fleet.allGood("crowd"), PLACED_WITHIN_MS, 1_000);
    return figuresOf(nodes, restingMb, storms);
  },
};

export interface Measured extends Storm {
  readonly cpuS: number;
  readonly peakMb: number;
}

/**
 * Of `LARGE_FLEET` by proportion: the handshakes and hellos of nodes have nothing in common, so each costs what it costs here. That holds as
 * long as the fleet comes from many addresses and its memory fits the machine. `restingMb`: of the hub before the storms.
 */
export function figuresOf(nodes: number, restingMb: number, storms: readonly Measured[]): Figures {
  const seconds = storms.map((each) => each.seconds);
  const cpuS = median(storms.map((each) => each.cpuS));
  const factor = LARGE_FLEET / nodes;
  return {
    nodes,
    seconds: round(median(seconds), 2),
    seconds_each: seconds.map((each) => round(each, 2)),
    hub_cpu_s: round(cpuS, 2),
    hub_cpu_ms_per_node: round((cpuS * 1_000) / nodes, 2),
    rss_mb: Math.max(...storms.map((each) => each.peakMb)),
    rss_resting_mb: restingMb,
    dials: median(storms.map((each) => each.tries)),
    container_actions: storms.reduce((sum, each) => sum + each.actions, 0),
    seconds_10000: round(median(seconds) * factor, 1),
    hub_cpu_s_10000: round(cpuS * factor, 1),
  };
}

async function measure(crowded: CrowdedHub): Promise<Measured> {
  const before = await cpuS(crowded.hubPid);
  let peakMb = 0;
  const look = setInterval(() => {
    rssMb(crowded.hubPid).then((mb) => {
      peakMb = Math.max(peakMb, mb);
    });
  }, LOOK_MS);
  try {
    const result = await crowded.storm();
    return { ...result, cpuS: round((await cpuS(crowded.hubPid)) - before, 2), peakMb };
  } finally {
    clearInterval(look);
  }
}

async function cpuS(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

const TICKS_PER_S = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
