// probes: what the agent's own CPU is while it probes at the bound that the prober states (100 a second), by http and by tcp, and by
// exec twice a second, since an engine that has to begin a hundred commands a second does nothing else. What was really asked is counted:
// connections by the kernel of the node's own network, commands by what they leave behind in one of the containers.
import { readFile } from "node:fs/promises";
import { type Fleet, type FleetNode, startFleet } from "../lab/fleet.ts";
import { BASE } from "../lab/images.ts";
import { sleep, until } from "../lab/wait.ts";
import { type Bench, round } from "./figures.ts";

/** Each has a readiness and a liveness probe, each once a second: together the bound. */
const CONTAINERS = 50;
/** With the same two probes, each every five seconds. */
const EXEC_CONTAINERS = 5;
const SETTLE_MS = 15_000;
const MEASURE_MS = 30_000;
const UP_WITHIN_MS = 180_000;
/** Of the kernel: USER_HZ, 100 on every Debian. */
const TICKS_PER_SECOND = 100;
const SERVER = "mkdir -p /www; echo ok >/www/ok; exec httpd -f -p 8080 -h /www";

type Check = Readonly<Record<string, unknown>>;

export const probes: Bench = {
  name: "probes",
  says: `the agent's CPU while it probes ${CONTAINERS} containers ${2 * CONTAINERS} times a second by http and by tcp, and ${(2 * EXEC_CONTAINERS) / 5} times by exec`,
  async run(say) {
    await using fleet = await startFleet({ nodes: 1 });
    const node = fleet.node(1);
    const rested = await measure(fleet, node, null);
    say(`without probes: ${rested.cpuPercent} % of a core`);
    const http = await measure(fleet, node, { http: { port: 8080, path: "/ok" } });
    say(`http: ${http.connections} a second, ${http.cpuPercent} %`);
    const tcp = await measure(fleet, node, { tcp: 8080 });
    say(`tcp: ${tcp.connections} a second, ${tcp.cpuPercent} %`);
    const exec = await measure(fleet, node, { exec: ["/bin/sh", "-c", "echo >>/asked"] }, EXEC_CONTAINERS, "5s");
    say(`exec: ${exec.commands} a second, ${exec.cpuPercent} %`);
    return {
      rest_cpu_percent: rested.cpuPercent,
      http_per_s: http.connections,
      http_cpu_percent: http.cpuPercent,
      tcp_per_s: tcp.connections,
      tcp_cpu_percent: tcp.cpuPercent,
      exec_per_s: exec.commands,
      exec_cpu_percent: exec.cpuPercent,
      containers: CONTAINERS,
    };
  },
};

interface Measured {
  readonly cpuPercent: number;
  /** Connections that processes of the node's network opened, a second; those within containers are not among them. */
  readonly connections: number;
  /** Commands, a second. */
  readonly commands: number;
}

async function measure(
  fleet: Fleet,
  node: FleetNode,
  check: Check | null,
  containers = CONTAINERS,
  interval = "1s",
): Promise<Measured> {
  const probe = { ...check, interval, timeout: "5s", failure_threshold: 100 };
  const service = {
    image: BASE.name,
    entrypoint: ["/bin/sh", "-c"],
    command: [SERVER],
    stop_grace_period: "0s",
    deploy: { replicas: containers },
    ...(check === null ? {} : { "x-skerry": { probes: { readiness: probe, liveness: probe } } }),
  };
  await fleet.apply("probed", JSON.stringify({ services: { web: service } }));
  await sleep(1_000);
  await until("all run and are ready", () => fleet.allGood("probed"), UP_WITHIN_MS);
  await sleep(SETTLE_MS);
  const before = await look(node);
  await sleep(MEASURE_MS);
  const after = await look(node);
  const perSecond = (of: (one: Look) => number): number =>
    ((of(after) - of(before)) * 1_000) / (after.atMs - before.atMs);
  return {
    cpuPercent: round((perSecond(({ cpuTicks }) => cpuTicks) / TICKS_PER_SECOND) * 100, 1),
    connections: round(
      perSecond(({ connections }) => connections),
      0,
    ),
    commands: round(perSecond(({ commands }) => commands) * containers, 1),
  };
}

interface Look {
  readonly atMs: number;
  readonly cpuTicks: number;
  readonly connections: number;
  /** In one of the containers. */
  readonly commands: number;
}

async function look(node: FleetNode): Promise<Look> {
  const pid = node.agent?.pid;
  const [stat = "", snmp = ""] = await Promise.all(
    ["stat", "net/snmp"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8")),
  );
  // After the command's name in brackets, field 14 (utime) is the 12th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [names = [], values = []] = snmp.match(/^Tcp:.*$/gm)?.map((line) => line.split(" ")) ?? [];
  const asked = await node.engine.api.exec("probed-web-1", ["/bin/sh", "-c", "cat /asked 2>/dev/null | wc -l"]);
  return {
    atMs: performance.now(),
    cpuTicks: Number(fields[11]) + Number(fields[12]),
    connections: Number(values[names.indexOf("ActiveOpens")]),
    commands: Number(asked.output.trim()),
  };
}
